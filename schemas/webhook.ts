import { type Static, type TObject, type TProperties, Type } from '@sinclair/typebox';
import { ActionId, EventId, LeaderboardId, Points, UserId } from './common.js';

const Season = Type.Integer({ minimum: 1 });
const Instant = Type.String({ format: 'date-time', examples: ['2026-06-14T22:00:00.000Z'] });
const orNull = <T extends TProperties[string]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });
const Label = orNull(Type.String(), 'The name of the season; null if it has none.');

const Place = Type.Object({ rank: Type.Integer({ minimum: 1 }), userId: UserId, score: Points });

/**
 * What a webhook tells, by the type of the event. Users are named by their ids alone: what is kept until it is delivered has no
 * personal data.
 */
export const EVENT_DATA = {
  'season.ended': Type.Object(
    {
      leaderboard: LeaderboardId,
      season: Season,
      label: Label,
      startsAt: Type.Union([Instant, Type.Null()]),
      endsAt: Instant,
    },
    {
      description:
        'A season has ended. Its last scores may still be on their way: `season.final` has the standings.',
    },
  ),
  'season.final': Type.Object(
    {
      leaderboard: LeaderboardId,
      season: Season,
      label: Label,
      startsAt: Type.Union([Instant, Type.Null()]),
      endsAt: Instant,
      entries: Type.Integer({ minimum: 0 }),
      digest: Type.String({ description: 'SHA-256 over the standings.' }),
      revision: Type.Integer({ minimum: 1, description: 'Above 1 after a correction.' }),
      top: Type.Array(Place, { maxItems: 10, description: 'The first of the standings.' }),
    },
    { description: 'The standings of a season are final, or were corrected.' },
  ),
  'season.skipped': Type.Object(
    {
      leaderboard: LeaderboardId,
      firstSeason: Season,
      lastSeason: Season,
      startsAt: Instant,
      endsAt: Instant,
    },
    { description: 'Seasons went by while the service was down. They exist, and are empty.' },
  ),
  'leader.changed': Type.Object(
    {
      leaderboard: LeaderboardId,
      season: Season,
      userId: orNull(UserId, 'Null if nobody is on the board any more.'),
      score: Type.Union([Points, Type.Null()]),
      previousUserId: orNull(UserId, 'Whom the event before has named; null if nobody.'),
    },
    { description: 'Somebody else leads a leaderboard: at most one event a second for each.' },
  ),
  'event.held': Type.Object(
    { eventId: EventId, userId: UserId, action: ActionId, points: Points },
    { description: 'A score event exceeds a limit, and waits for an administrator.' },
  ),
  'user.banned': Type.Object({ userId: UserId }, { description: 'A user was banned.' }),
} as const satisfies Record<string, TObject>;

export type EventType = keyof typeof EVENT_DATA;
/** Something to tell: its type, and its data. */
export type WebhookEvent = {
  [T in EventType]: { readonly type: T; readonly data: Static<(typeof EVENT_DATA)[T]> };
}[EventType];
