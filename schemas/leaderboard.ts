import { type Static, Type } from '@sinclair/typebox';
import {
  Cursor,
  defaulted,
  Formatted,
  LeaderboardId,
  Limit,
  List,
  Locale,
  NextCursor,
  Now,
  Points,
  Reason,
  ref,
  SeasonEndsAt,
  SharedRank,
  SLUG,
  Time,
  Title,
  Titles,
  UserId,
} from './common.js';
import { Schedule } from './schedule.js';
import { Unit } from './unit.js';
import { ExternalId } from './user.js';

const Rules = {
  title: Title,
  sort: Type.Union([Type.Literal('desc'), Type.Literal('asc')], {
    description: 'Whether high scores (`desc`) or low scores (`asc`) are at the top.',
  }),
  operator: Type.Union([Type.Literal('increment'), Type.Literal('best'), Type.Literal('latest')], {
    description:
      'How points change a score: `increment` adds them, `best` keeps the better value, `latest` replaces the score.',
  }),
  maxPointsPerMinute: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'How many points a user may gain on this board in any 60 s; lost points do not raise the limit. An event above the limit is held: it counts on no board until an administrator releases it.',
    }),
  ),
  titles: Type.Optional(Titles),
  unit: Type.Optional(ref(Unit)),
  hidden: Type.Optional(
    Type.Boolean({
      description: 'Whether it is omitted from the list of leaderboards. Absent from responses if false.',
    }),
  ),
  schedule: Type.Optional(ref(Schedule)),
  lateTokens: Type.Optional(
    Type.Union([Type.Literal('arrival'), Type.Literal('issued'), Type.Literal('refuse')], {
      description:
        'Where a score counts whose action token was issued in a season that is over: in the season in which it arrives (`arrival`), in that of the token if it arrives within `graceMs` after its end (`issued`), or nowhere (`refuse`). Absent from responses if it is `arrival`.',
    }),
  ),
  graceMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description:
        'With `lateTokens: issued`: how long a season still takes tokens after its end, at most as long as a token is good for. Absent from responses if it is 0.',
    }),
  ),
  keepSeasons: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description: 'How many seasons are kept when they are over; all of them if absent.',
    }),
  ),
};
const RULES = { title: 'Global', sort: 'desc', operator: 'increment' };

const LEADERBOARD = {
  id: 'global',
  ...RULES,
  revision: 3,
  season: 1,
  seasonEndsAt: '2026-06-14T22:00:00.000Z',
  schedule: Schedule.examples[0],
  entries: 2048,
  now: '2026-06-11T19:09:00.000Z',
};
const LeaderboardFields = {
  id: LeaderboardId,
  ...Rules,
  revision: Type.Integer({
    description:
      'Counts what is done to it: each `PUT`, freezing, ends and names of seasons, and boundaries that new rules of a time zone have moved. Not the seasons that begin. For `If-Match`.',
  }),
  season: Type.Integer(),
  seasonEndsAt: SeasonEndsAt,
  frozenAt: Type.Optional(
    Type.Unsafe<string>({
      ...Time,
      description: 'When it was frozen. Absent if it is not frozen.',
    }),
  ),
  entries: Type.Integer({ description: 'The number of entries.' }),
  now: Now,
};
export const Leaderboard = Type.Object(LeaderboardFields, {
  $id: 'Leaderboard',
  description: 'A leaderboard.',
  examples: [LEADERBOARD],
});
export type Leaderboard = Static<typeof Leaderboard>;
export const Leaderboards = List(ref(Leaderboard), {
  $id: 'Leaderboards',
  description: 'Leaderboards by id.',
  examples: [{ items: [LEADERBOARD], nextCursor: null }],
});
export const LeaderboardRules = Type.Object(
  {
    ...Rules,
    schedule: Type.Optional(
      Type.Unsafe<Schedule | null>({
        anyOf: [ref(Schedule), Type.Null()],
        description: 'When seasons begin and end. Absent or null: they are ended by hand.',
      }),
    ),
    reason: Type.Optional(Reason),
  },
  {
    additionalProperties: false,
    examples: [
      {
        ...RULES,
        maxPointsPerMinute: 500,
        schedule: Schedule.examples[0],
        reason: 'A new week, a new game.',
      },
    ],
  },
);
export const DryRun = Type.Object({
  dryRun: defaulted(Type.Boolean({ default: false, description: 'Only say what the change would bring.' })),
});
export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description:
        'The `ETag` of the leaderboard as you know it, its `revision` in quotes. If it has changed since, so does nothing (412 `revision-changed`).',
      examples: ['"3"'],
    }),
  ),
});
const PLANNED = {
  season: 2,
  startsAt: '2026-06-14T22:00:00.000Z',
  endsAt: '2026-06-21T22:00:00.000Z',
  label: null,
  sort: 'desc',
  operator: 'increment',
} as const;
export const PlannedSeason = Type.Object(
  {
    season: Type.Integer({ minimum: 1 }),
    startsAt: Time,
    endsAt: SeasonEndsAt,
    label: Type.Union([Type.String(), Type.Null()]),
    sort: Rules.sort,
    operator: Rules.operator,
    lateTokens: Rules.lateTokens,
    graceMs: Rules.graceMs,
  },
  { $id: 'PlannedSeason', description: 'A season that is to come, and its rules.', examples: [PLANNED] },
);
export type PlannedSeason = Static<typeof PlannedSeason>;
export const PlannedLeaderboard = Type.Object(
  {
    ...LeaderboardFields,
    preview: Type.Array(ref(PlannedSeason), { description: 'The next five seasons.' }),
  },
  {
    $id: 'PlannedLeaderboard',
    description: 'A leaderboard, and its seasons to come.',
    examples: [{ ...LEADERBOARD, preview: [PLANNED] }],
  },
);
export type PlannedLeaderboard = Static<typeof PlannedLeaderboard>;
export const LeaderboardsQuery = Type.Object({
  limit: Limit(100),
  cursor: Type.Optional(Cursor),
  locale: Locale,
});
export const AdminLeaderboardsQuery = Type.Object({ limit: Limit(100), cursor: Type.Optional(Cursor) });
export const LeaderboardQuery = Type.Object({ locale: Locale });
export const LeaderboardParams = Type.Object({ id: LeaderboardId });
export const EntryParams = Type.Object({ id: LeaderboardId, userId: UserId });

export const PublicMetadata = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
  {
    description:
      'What is public of the metadata of the event that made the score, at `achievedAt`. Absent if nothing is.',
    examples: [{ car: 'Comet' }],
  },
);
export type PublicMetadata = Static<typeof PublicMetadata>;

const EntryFields = {
  rank: Type.Integer({ minimum: 1, description: 'Every entry has its own.' }),
  sharedRank: SharedRank,
  userId: UserId,
  displayName: Type.String(),
  score: Points,
  formatted: Formatted,
  achievedAt: Time,
  metadata: Type.Optional(PublicMetadata),
  voidedSince: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'With `asOf`: how many of the events that counted then were voided since. Absent if none.',
    }),
  ),
  movement: Type.Optional(
    Type.Unsafe<number | null>({
      anyOf: [Type.Integer(), Type.Null()],
      description: 'With `since`: how many ranks the user has risen since then; null if it had no entry.',
    }),
  ),
};
const ENTRY = {
  rank: 1,
  sharedRank: 1,
  userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  displayName: 'Ada',
  score: 1230,
  achievedAt: '2026-06-11T19:09:00.000Z',
};

export const Entry = Type.Object(EntryFields, {
  $id: 'Entry',
  description:
    'An entry of a leaderboard. Of equal scores, the one reached first ranks higher, then the smaller user id.',
  examples: [ENTRY],
});
export type Entry = Static<typeof Entry>;

const Total = Type.Integer({ description: 'Number of entries on the whole board.' });
/** What all answers about the entries of a board have. */
export const Board = { leaderboard: LeaderboardId, season: Type.Integer(), total: Total };
export const BOARD = { leaderboard: 'global', season: 1, total: 2048 };

const State = {
  leaderboard: LeaderboardId,
  season: Type.Integer(),
  seasonEndsAt: SeasonEndsAt,
  version: Type.Integer({
    description: 'Increases with every change, while the first part of the `ETag` is the same.',
  }),
  total: Total,
};
const STATE = {
  leaderboard: 'global',
  season: 1,
  seasonEndsAt: '2026-06-14T22:00:00.000Z',
  version: 7,
  total: 2048,
};
const NowUntilEnd = Type.Optional(
  Type.Unsafe<string>({
    ...Now,
    description: `${Now.description} Absent where there is nothing to count down to: if the end is open, or the season final.`,
  }),
);
const NOW = '2026-06-11T19:09:00.000Z';

const AsOf = Type.Optional(
  Type.Unsafe<string>({ ...Time, description: 'The time at which it was so, if one was asked for.' }),
);
export const Entries = Type.Object(
  {
    ...State,
    items: Type.Array(ref(Entry)),
    nextCursor: NextCursor,
    prevCursor: Type.Union([Type.String(), Type.Null()], {
      description: 'Leads to the page before this one. Null if this is the first.',
    }),
    asOf: AsOf,
    voidedSince: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'With `asOf`: on how many entries of the whole board events counted then that were voided since.',
      }),
    ),
    now: NowUntilEnd,
  },
  {
    $id: 'Entries',
    description: 'A page of a leaderboard, in its order.',
    examples: [{ ...STATE, items: [ENTRY], nextCursor: null, prevCursor: null, now: NOW }],
  },
);
export type Entries = Static<typeof Entries>;

export const EntryDetails = Type.Object(
  {
    ...EntryFields,
    total: State.total,
    asOf: AsOf,
    percentile: Type.Number({
      description: 'The share of entries at this rank or below, in per cent.',
    }),
    pointsToNextRank: Type.Optional(
      Type.Unsafe<number | null>({
        anyOf: [Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()],
        description:
          'How much better the score must be to overtake the next entry above. Null for the first; absent beyond 2^53 - 1.',
      }),
    ),
    pointsToFirst: Type.Optional(
      Type.Unsafe<number | null>({
        anyOf: [Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()],
        description:
          'How much better the score must be to overtake the first. Null for the first; absent beyond 2^53 - 1.',
      }),
    ),
  },
  {
    $id: 'EntryDetails',
    description: 'The entry of one user.',
    examples: [
      {
        ...ENTRY,
        rank: 2,
        sharedRank: 2,
        total: 2048,
        percentile: 99.95,
        pointsToNextRank: 21,
        pointsToFirst: 21,
      },
    ],
  },
);
export type EntryDetails = Static<typeof EntryDetails>;

export const FriendEntry = Type.Object(
  {
    ...EntryFields,
    position: Type.Integer({ minimum: 1, description: 'Position in this list.' }),
  },
  { $id: 'FriendEntry', description: 'An entry in a list of friends.' },
);
export const FriendEntries = Type.Object(
  {
    ...State,
    items: Type.Array(ref(FriendEntry)),
    nextCursor: NextCursor,
    asOf: AsOf,
    now: NowUntilEnd,
  },
  {
    $id: 'FriendEntries',
    description: 'The entries of these users, in the order of the board. Users without an entry are omitted.',
    examples: [
      { ...STATE, items: [{ ...ENTRY, rank: 12, sharedRank: 11, position: 1 }], nextCursor: null, now: NOW },
    ],
  },
);
export type FriendEntries = Static<typeof FriendEntries>;

export const ExternalFriendEntry = Type.Object(
  { ...FriendEntry.properties, externalId: ExternalId },
  { $id: 'ExternalFriendEntry', description: 'An entry in a list of friends of your own system.' },
);
export const ExternalFriendEntries = Type.Object(
  { ...FriendEntries.properties, items: Type.Array(ref(ExternalFriendEntry)) },
  {
    $id: 'ExternalFriendEntries',
    description: 'The entries of these users, in the order of the board. Users without an entry are omitted.',
    examples: [
      {
        ...STATE,
        items: [{ ...ENTRY, rank: 12, sharedRank: 11, position: 1, externalId: 'player-4711' }],
        nextCursor: null,
        now: NOW,
      },
    ],
  },
);
export type ExternalFriendEntries = Static<typeof ExternalFriendEntries>;

/** Of users of the caller's own system. */
export const ExternalFriends = Type.Object(
  { externalIds: Type.Array(ExternalId, { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false, examples: [{ externalIds: ['player-4711', 'player-4712'] }] },
);

export const OfSeason = {
  season: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 999_999_999,
      description: 'A season of the leaderboard; by default the current one.',
    }),
  ),
};
const Instant = Type.String({ format: 'date-time', examples: ['2026-06-10T19:00:00.000Z'] });
const AtTime = {
  asOf: Type.Optional({
    ...Instant,
    description:
      'The board as it was at this time, computed from its events, in the season of then unless another is given. Users who are banned or erased now are left out.',
  }),
};
/** Of all reads of entries. */
const Shown = { ...OfSeason, ...AtTime, locale: Locale };
export const EntriesQuery = Type.Object({
  ...Shown,
  since: Type.Optional({
    ...Instant,
    description: 'Entries say by how many ranks they have moved since then.',
  }),
  limit: Limit(10),
  cursor: Type.Optional({
    ...Cursor,
    description: 'The `nextCursor` or `prevCursor` of another page. Not with `rank` or `score`.',
  }),
  rank: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description: 'The rank at which the page begins. Not with `score`, `minScore` or `maxScore`.',
    }),
  ),
  score: Type.Optional({
    ...Points,
    description:
      'The page around this score: half of it better entries, then those with this score and worse ones. Not with `minScore` or `maxScore`.',
  }),
  minScore: Type.Optional({
    ...Points,
    description: 'Only entries with this score or a higher one. With a cursor, send the same again.',
  }),
  maxScore: Type.Optional({
    ...Points,
    description: 'Only entries with this score or a lower one. With a cursor, send the same again.',
  }),
});
export type EntriesQuery = Static<typeof EntriesQuery>;
export const EntryQuery = Type.Object(Shown);
export const AroundQuery = Type.Object({
  ...Shown,
  radius: defaulted(
    Type.Integer({
      minimum: 0,
      maximum: 50,
      default: 5,
      description: 'Maximum number of entries on each side.',
    }),
  ),
});
const USER_ID = (UserId.pattern ?? '').slice(1, -1);
export const FriendsQuery = Type.Object({
  ...Shown,
  userIds: Type.String({
    pattern: `^${USER_ID}(,${USER_ID}){0,99}$`,
    description: 'Up to 100 user ids, separated by commas.',
    examples: ['usr_01kcx7f0w3e5tt9m6d7kq2x1zb,usr_01kcx7f9fye7n8e6c2p3rj4t5v'],
  }),
});
const WATCHED = `${SLUG}(:([1-9][0-9]?|100)(:${USER_ID})?)?`;
/** Of a stream of several. */
const MAX_WATCHED = 32;
export const StreamsQuery = Type.Object({
  boards: Type.String({
    pattern: `^${WATCHED}(,${WATCHED}){0,${MAX_WATCHED - 1}}$`,
    description: `Up to ${MAX_WATCHED} leaderboards, separated by commas: \`id\`, \`id:limit\` or \`id:limit:user\`.`,
    examples: ['global:10,fastest-lap:5:usr_01kcx7f0w3e5tt9m6d7kq2x1zb'],
  }),
});
export const StreamQuery = Type.Object({
  limit: Limit(10),
  user: Type.Optional({ ...UserId, description: 'Also send `rank` events for this user.' }),
});
export type StreamQuery = Static<typeof StreamQuery>;
