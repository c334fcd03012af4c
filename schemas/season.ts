import { type Static, Type } from '@sinclair/typebox';
import {
  Cursor,
  Formatted,
  LeaderboardId,
  Limit,
  Locale,
  Now,
  Points,
  Reason,
  ref,
  SeasonNumber,
  SharedRank,
  Time,
  TimedList,
} from './common.js';
import { Entry } from './leaderboard.js';
import { SeasonLabel } from './schedule.js';

const orNull = (schema: typeof Time, description: string) =>
  Type.Unsafe<string | null>({ anyOf: [schema, Type.Null()], description });

const Span = {
  season: Type.Integer({ minimum: 1, description: 'Its number on the leaderboard.' }),
  label: Type.Unsafe<string | null>({ anyOf: [Type.String(), Type.Null()], description: 'Its name.' }),
  startsAt: orNull(Time, 'When it began. Null if it has been there from the beginning.'),
  endsAt: orNull(
    Time,
    'When it ends or has ended; scores of this moment belong to the next one. Null if that is open.',
  ),
};
const SPAN = {
  season: 7,
  label: 'Week 7',
  startsAt: '2026-06-07T22:00:00.000Z',
  endsAt: '2026-06-14T22:00:00.000Z',
};
const NOW = '2026-06-11T19:09:00.000Z';

export const Season = Type.Object(
  {
    ...Span,
    state: Type.Union([Type.Literal('open'), Type.Literal('closing'), Type.Literal('final')], {
      description: 'One that has ended is `closing` until its standings are `final`, which takes seconds.',
    }),
    entries: Type.Integer({ description: 'The number of entries.' }),
    top: Type.Array(ref(Entry), { description: 'The first three.' }),
    revision: Type.Integer({ description: 'Counts the corrections of a final season, from 1.' }),
    digest: Type.Unsafe<string | null>({
      anyOf: [Type.String({ pattern: '^[0-9a-f]{64}$' }), Type.Null()],
      description: 'SHA-256 over the final standings, in hexadecimal. Null until they are final.',
    }),
  },
  {
    $id: 'Season',
    description: 'A season of a leaderboard.',
    examples: [
      {
        ...SPAN,
        state: 'final',
        entries: 2048,
        top: Entry.examples,
        revision: 1,
        digest: 'a3f5c1d2e4b60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00',
      },
    ],
  },
);
export type Season = Static<typeof Season>;
export const Seasons = TimedList(ref(Season), {
  $id: 'Seasons',
  description: 'The seasons of a leaderboard, newest first.',
  examples: [{ items: Season.examples, nextCursor: null, now: NOW }],
});
export const SeasonsQuery = Type.Object({ limit: Limit(10), cursor: Type.Optional(Cursor), locale: Locale });

export const FinalPlace = Type.Object(
  {
    leaderboard: LeaderboardId,
    ...Span,
    rank: Type.Integer({ minimum: 1 }),
    sharedRank: SharedRank,
    score: Points,
    formatted: Formatted,
    achievedAt: Time,
    entries: Type.Integer({ description: 'The number of entries of the season.' }),
  },
  {
    $id: 'FinalPlace',
    description: "A user's place in a season that is final.",
    examples: [
      {
        leaderboard: 'weekly',
        ...SPAN,
        rank: 12,
        sharedRank: 11,
        score: 1230,
        achievedAt: '2026-06-11T19:09:00.000Z',
        entries: 2048,
      },
    ],
  },
);
export type FinalPlace = Static<typeof FinalPlace>;
export const FinalPlaces = TimedList(ref(FinalPlace), {
  $id: 'FinalPlaces',
  description: "A user's final places, those of the season that ended last first.",
  examples: [{ items: FinalPlace.examples, nextCursor: null, now: NOW }],
});
export const FinalPlacesQuery = Type.Object({
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
  locale: Locale,
});

export const SeasonSpan = Type.Object(
  { leaderboard: LeaderboardId, ...Span, now: Now },
  {
    $id: 'SeasonSpan',
    description: 'When a season begins and ends.',
    examples: [{ leaderboard: 'weekly', ...SPAN, now: NOW }],
  },
);
export type SeasonSpan = Static<typeof SeasonSpan>;
export const SeasonParams = Type.Object({ id: LeaderboardId, season: SeasonNumber });
export const SeasonEnd = Type.Object(
  { endsAt: Type.Optional(Time), label: Type.Optional(SeasonLabel), reason: Reason },
  {
    additionalProperties: false,
    examples: [{ endsAt: SPAN.endsAt, label: 'Week 8', reason: 'The week is over.' }],
  },
);
export const SeasonChange = Type.Object(
  {
    endsAt: Type.Optional(orNull(Time, 'When it ends. Null if that is open.')),
    label: Type.Optional(
      Type.Unsafe<string | null>({ anyOf: [SeasonLabel, Type.Null()], description: 'Null takes it away.' }),
    ),
    reason: Reason,
  },
  {
    additionalProperties: false,
    examples: [{ endsAt: SPAN.endsAt, reason: 'The servers were down for an hour.' }],
  },
);
