import { type Static, Type } from '@sinclair/typebox';
import {
  ActionId,
  EventId,
  Formatted,
  LeaderboardId,
  Now,
  Points,
  ref,
  SeasonEndsAt,
  SeasonNumber,
  Time,
  UserId,
} from './common.js';
import { ProblemDocument } from './problem.js';

/** In bytes of its JSON text; checked by the route, a schema cannot. */
export const MAX_METADATA_BYTES = 2_048;

export const ScoreSubmission = Type.Object(
  {
    actionToken: Type.String({ minLength: 1, maxLength: 8_192 }),
    points: Type.Optional({
      ...Points,
      description: 'Required if the token has a range of points; must be within it.',
    }),
    metadata: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'A JSON object of up to 2 KiB, stored with the event.',
      }),
    ),
    season: Type.Optional(
      Type.Record(LeaderboardId, SeasonNumber, {
        description:
          'The season in which the score is to count, by leaderboard. If one of them would be another, it counts nowhere (409 `season-changed`) and the token is not consumed.',
        maxProperties: 100,
      }),
    ),
  },
  {
    additionalProperties: false,
    examples: [{ actionToken: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjdGlvbitqd3QifQ…', metadata: { level: 7 } }],
  },
);

const Rank = Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]);

export type ScoreSubmission = Static<typeof ScoreSubmission>;

const TOKEN = { actionToken: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjdGlvbitqd3QifQ…' };
export const RedeemedScore = Type.Object(ScoreSubmission.properties, {
  $id: 'RedeemedScore',
  additionalProperties: false,
  description: 'A score by an action token.',
  examples: [TOKEN],
});

const MINTED = {
  userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  action: 'win-match',
  points: 250,
  idempotencyKey: 'match-42-player-7',
};
export const MintedScore = Type.Object(
  {
    userId: UserId,
    action: ActionId,
    points: Points,
    idempotencyKey: Type.String({
      minLength: 1,
      maxLength: 128,
      description:
        'What this score is in your own system. A key of your account counts once, for as long as the event is kept.',
      examples: ['match-42-player-7'],
    }),
    metadata: ScoreSubmission.properties.metadata,
    season: ScoreSubmission.properties.season,
  },
  {
    $id: 'MintedScore',
    additionalProperties: false,
    description: 'A score that a game server counts without a token.',
    examples: [MINTED],
  },
);
export type MintedScore = Static<typeof MintedScore>;

export const ScoreBatch = Type.Object(
  {
    submissions: Type.Array(Type.Union([ref(RedeemedScore), ref(MintedScore)]), {
      minItems: 1,
      maxItems: 500,
    }),
  },
  { additionalProperties: false, examples: [{ submissions: [TOKEN, MINTED] }] },
);

export const BoardResult = Type.Object(
  {
    id: LeaderboardId,
    season: SeasonNumber,
    seasonEndsAt: SeasonEndsAt,
    late: Type.Optional(
      Type.Literal(true, {
        description:
          'By its time, or that of its token, the score belongs to an earlier season, which is closed. It counts in this one.',
      }),
    ),
    score: Points,
    formatted: Formatted,
    previousScore: Type.Union([Points, Type.Null()], {
      description: 'Null if this score created the entry.',
    }),
    rank: Type.Unsafe<Static<typeof Rank>>({
      ...Rank,
      description: 'Null while the board is being rebuilt.',
    }),
    previousRank: Rank,
  },
  { $id: 'BoardResult', description: 'A leaderboard on which the score has counted.' },
);
export const SkippedBoard = Type.Object(
  {
    id: LeaderboardId,
    skipped: Type.Union([Type.Literal('frozen'), Type.Literal('closed')], {
      description:
        'Frozen by an administrator, or closed: no season takes the score, or `lateTokens` refuses its token.',
    }),
  },
  {
    $id: 'SkippedBoard',
    description: 'A leaderboard that has not taken the score. It has counted on the others.',
  },
);

const RECEIPT = {
  eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
  userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  action: 'collect-coin',
  points: 10,
  acceptedAt: '2026-06-11T19:09:00.000Z',
  now: '2026-06-11T19:09:00.012Z',
  status: 'counted',
  leaderboards: [
    { id: 'global', season: 1, seasonEndsAt: null, score: 30, previousScore: 20, rank: 4, previousRank: 6 },
  ],
};

export const Receipt = Type.Object(
  {
    eventId: EventId,
    userId: UserId,
    action: ActionId,
    points: Points,
    acceptedAt: Time,
    now: Now,
    status: Type.Union([Type.Literal('counted'), Type.Literal('held')], {
      description:
        "Held: above a board's limit of points in a minute. The event is stored, but on no board until it is released.",
    }),
    leaderboards: Type.Array(Type.Union([ref(BoardResult), ref(SkippedBoard)]), {
      description: 'The leaderboards of the action, by id. Empty while the score is held.',
    }),
  },
  {
    $id: 'Receipt',
    description: 'The points are on disk.',
    examples: [RECEIPT],
  },
);
export type Receipt = Static<typeof Receipt>;

/** One of a union, as one object: a serializer would look at each item twice to find out which it is. */
export const BatchedScore = Type.Object(
  {
    status: Type.Integer({ description: '200 if it counts, otherwise the status of the problem.' }),
    receipt: Type.Optional(ref(Receipt)),
    problem: Type.Optional(ref(ProblemDocument)),
  },
  { $id: 'BatchedScore', description: 'What became of one submission: a receipt or a problem.' },
);
export type BatchedScore = Static<typeof BatchedScore>;

export const BatchedScores = Type.Object(
  { items: Type.Array(ref(BatchedScore), { description: 'In the order of the submissions.' }) },
  {
    $id: 'BatchedScores',
    description: 'What became of each submission.',
    examples: [{ items: [{ status: 200, receipt: RECEIPT }] }],
  },
);
export type BatchedScores = Static<typeof BatchedScores>;
