import { type Static, Type } from '@sinclair/typebox';
import { Action } from './action.js';
import { ActionId, NextCursor, Time } from './common.js';
import { Leaderboard } from './leaderboard.js';

/** However many there were, no more are counted. */
export const MOST_COUNTED = 100_000;
export const USAGE_HOURS = 24;

const RecentEvents = Type.Integer({
  description: 'Events that were accepted since `since`, also held and voided ones.',
});
const Since = Type.Unsafe<string>({
  ...Time,
  description: `From when on events are counted: the last ${USAGE_HOURS} hours, or less if there were more than 100,000 events.`,
});
const SINCE = '2026-06-10T19:09:00.000Z';

export const LeaderboardsUsage = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        ...Leaderboard.properties,
        actions: Type.Array(ActionId, { description: 'The actions that feed it.' }),
        recentEvents: RecentEvents,
      }),
    ),
    nextCursor: NextCursor,
    since: Since,
  },
  {
    $id: 'LeaderboardsUsage',
    description: 'Leaderboards by id, also hidden ones, and how they are used.',
    examples: [
      {
        items: [{ ...Leaderboard.examples[0], actions: ['collect-coin'], recentEvents: 4_200 }],
        nextCursor: null,
        since: SINCE,
      },
    ],
  },
);
export type LeaderboardsUsage = Static<typeof LeaderboardsUsage>;

export const ActionsUsage = Type.Object(
  {
    items: Type.Array(Type.Object({ ...Action.properties, recentEvents: RecentEvents })),
    nextCursor: NextCursor,
    since: Since,
  },
  {
    $id: 'ActionsUsage',
    description: 'All actions, and how they are used.',
    examples: [{ items: [{ ...Action.examples[0], recentEvents: 4_200 }], nextCursor: null, since: SINCE }],
  },
);
export type ActionsUsage = Static<typeof ActionsUsage>;
