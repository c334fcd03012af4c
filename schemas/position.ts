import { type Static, Type } from '@sinclair/typebox';
import {
  Cursor,
  defaulted,
  Formatted,
  LeaderboardId,
  Limit,
  Locale,
  Now,
  Points,
  ref,
  SeasonEndsAt,
  SharedRank,
  Time,
  TimedList,
  Title,
} from './common.js';
import { BOARD, Board, OfSeason } from './leaderboard.js';

const Rank = Type.Integer({ minimum: 1, maximum: 2_147_483_647 });

export const RankOfQuery = Type.Object({ ...OfSeason, score: Points, locale: Locale });
export const RankOf = Type.Object(
  {
    ...Board,
    score: Points,
    formatted: Formatted,
    rank: Type.Unsafe<number>({
      ...Rank,
      description: 'Behind all entries with this score: of equal scores, the one reached first ranks higher.',
    }),
    sharedRank: SharedRank,
  },
  {
    $id: 'RankOf',
    description: 'The rank that a score would have if it were reached now by a user without an entry.',
    examples: [{ ...BOARD, score: 1200, rank: 2, sharedRank: 2 }],
  },
);
export type RankOf = Static<typeof RankOf>;

export const ScoreAtQuery = Type.Object({
  ...OfSeason,
  locale: Locale,
  rank: Type.Optional(Rank),
  percentile: Type.Optional(
    Type.Number({ minimum: 0, maximum: 100, description: 'Counted in hundredths. 100 is the first.' }),
  ),
});
export const ScoreAt = Type.Object(
  {
    ...Board,
    rank: Rank,
    sharedRank: SharedRank,
    percentile: Type.Number({ description: 'The share of entries at this rank or below, in per cent.' }),
    score: Points,
    formatted: Formatted,
  },
  {
    $id: 'ScoreAt',
    description: 'The score at a rank.',
    examples: [{ ...BOARD, rank: 205, sharedRank: 204, percentile: 90.04, score: 870 }],
  },
);
export type ScoreAt = Static<typeof ScoreAt>;

const BIN = { from: 0, to: 99, entries: 512 };
export const HistogramQuery = Type.Object({
  ...OfSeason,
  bins: defaulted(
    Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Maximum number of bins.' }),
  ),
});
export const Histogram = Type.Object(
  {
    ...Board,
    bins: Type.Array(
      Type.Object({
        from: Points,
        to: Points,
        entries: Type.Integer({ description: 'How many entries have a score from `from` to `to`.' }),
      }),
      {
        description:
          'From the lowest score to the highest, of equal width but for the last. Fewer than asked for if there are fewer different scores; none on an empty board.',
      },
    ),
  },
  {
    $id: 'Histogram',
    description: 'How many entries have which scores.',
    examples: [{ ...BOARD, bins: [BIN, { from: 100, to: 199, entries: 1536 }] }],
  },
);
export type Histogram = Static<typeof Histogram>;

export const UserEntry = Type.Object(
  {
    leaderboard: LeaderboardId,
    title: Title,
    season: Type.Integer(),
    seasonEndsAt: SeasonEndsAt,
    rank: Type.Unsafe<number | null>({
      anyOf: [Type.Integer({ minimum: 1 }), Type.Null()],
      description: 'Null as long as it is not known, while a large board is being loaded.',
    }),
    sharedRank: Type.Unsafe<number | null>({
      anyOf: [SharedRank, Type.Null()],
      description: 'The rank that all entries with the same score share. Null like `rank`.',
    }),
    total: Type.Integer({ description: 'Number of entries on the whole board.' }),
    score: Points,
    formatted: Formatted,
    achievedAt: Time,
  },
  {
    $id: 'UserEntry',
    description: 'The entry of a user in the current season of a leaderboard.',
    examples: [
      {
        leaderboard: 'global',
        title: 'Global',
        season: 1,
        seasonEndsAt: null,
        rank: 12,
        sharedRank: 11,
        total: 2048,
        score: 1230,
        achievedAt: '2026-06-11T19:09:00.000Z',
      },
    ],
  },
);
export type UserEntry = Static<typeof UserEntry>;
export const UserEntries = TimedList(ref(UserEntry), {
  $id: 'UserEntries',
  description: 'The entries of a user in current seasons, by leaderboard. Without hidden leaderboards.',
  examples: [{ items: UserEntry.examples, nextCursor: null, now: Now.examples?.[0] }],
});
export const UserEntriesQuery = Type.Object({
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
  locale: Locale,
});
