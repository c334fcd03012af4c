import { type Static, Type } from '@sinclair/typebox';
import { ActionId, EventId, LeaderboardId, Points, ref, Time, UserId } from './common.js';

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
  },
  {
    additionalProperties: false,
    examples: [{ actionToken: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjdGlvbitqd3QifQ…', metadata: { level: 7 } }],
  },
);

const Rank = Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]);

export type ScoreSubmission = Static<typeof ScoreSubmission>;

export const BoardResult = Type.Object(
  {
    id: LeaderboardId,
    season: Type.Integer(),
    score: Points,
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
  { id: LeaderboardId, skipped: Type.Literal('frozen') },
  {
    $id: 'SkippedBoard',
    description: 'A leaderboard that takes no scores. The score has counted on the others.',
  },
);

export const Receipt = Type.Object(
  {
    eventId: EventId,
    userId: UserId,
    action: ActionId,
    points: Points,
    acceptedAt: Time,
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
    examples: [
      {
        eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
        userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
        action: 'collect-coin',
        points: 10,
        acceptedAt: '2026-06-11T19:09:00.000Z',
        status: 'counted',
        leaderboards: [{ id: 'global', season: 1, score: 30, previousScore: 20, rank: 4, previousRank: 6 }],
      },
    ],
  },
);
export type Receipt = Static<typeof Receipt>;
