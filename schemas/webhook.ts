import { type Static, type TObject, type TProperties, type TSchema, Type } from '@sinclair/typebox';
import {
  ActionId,
  Cursor,
  defaulted,
  EventId,
  LeaderboardId,
  Limit,
  List,
  Points,
  Reason,
  ref,
  SharedRank,
  Time,
  UserId,
} from './common.js';

const Season = Type.Integer({ minimum: 1 });
const Instant = Type.String({ format: 'date-time', examples: ['2026-06-14T22:00:00.000Z'] });
const orNull = <T extends TSchema>(schema: T, description: string) =>
  Type.Unsafe<Static<T> | null>({ anyOf: [schema, Type.Null()], description });
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
    {
      description:
        'Seasons began and ended while the service was down, without a score. They have no `season.ended`, and no `season.final` unless a late score still counts in one.',
    },
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
  'webhook.test': Type.Object({}, { description: 'An administrator tries a webhook.' }),
} as const satisfies Record<string, TObject>;

export type EventType = keyof typeof EVENT_DATA;

const DisplayName = orNull(Type.String(), 'The name when the event is sent; null if the user is erased.');
const Formatted = Type.Optional(
  Type.String({
    description: 'The score as people write it in English, where the leaderboard has a `unit`.',
  }),
);
const named = <T extends TProperties>({ properties, ...options }: TObject<T>) =>
  Type.Object({ ...properties, displayName: DisplayName }, options);
const { properties: finalData, ...ofFinal } = EVENT_DATA['season.final'];
const { properties: leaderData, ...ofLeader } = EVENT_DATA['leader.changed'];
const SentPlace = Type.Object({ ...Place.properties, sharedRank: SharedRank, formatted: Formatted });
/** What is sent of it, with the names of those whom receivers will want to show. */
const SENT_DATA = {
  ...EVENT_DATA,
  'season.final': Type.Object(
    {
      ...finalData,
      top: Type.Array(named(SentPlace), { maxItems: 10, description: 'The first of the standings.' }),
    },
    ofFinal,
  ),
  'leader.changed': named(Type.Object({ ...leaderData, formatted: Formatted }, ofLeader)),
} as const satisfies Record<EventType, TObject>;
export type SentEvent = {
  [T in EventType]: {
    readonly type: T;
    readonly timestamp: string;
    readonly data: Static<(typeof SENT_DATA)[T]>;
  };
}[EventType];
/** The body of each event, by its type. */
export const EVENT_BODIES: readonly (readonly [type: string, body: TObject])[] = Object.entries(
  SENT_DATA,
).map(([type, data]) => [
  type,
  Type.Object(
    {
      type: Type.Literal(type),
      timestamp: {
        ...Instant,
        description:
          'When it happened: of a season that has ended, its end, also if the service was down then.',
      },
      data,
    },
    { description: data.description ?? '' },
  ),
]);
/** Something to tell: its type, and its data. */
export type WebhookEvent = {
  [T in EventType]: { readonly type: T; readonly data: Static<(typeof EVENT_DATA)[T]> };
}[EventType];

/** The types that a webhook may ask for: a test is for the one that is tried. */
const SUBSCRIBED = [
  'season.ended',
  'season.final',
  'season.skipped',
  'leader.changed',
  'event.held',
  'user.banned',
] as const satisfies EventType[];

export const WebhookId = Type.String({
  pattern: '^whk_[0-7][0-9a-hjkmnp-tv-z]{25}$',
  description: 'A webhook.',
  examples: ['whk_01kcx7h9z4e2n8p6s5t3v1w0ya'],
});
const MessageId = Type.String({
  pattern: '^msg_[0-7][0-9a-hjkmnp-tv-z]{25}$',
  description: 'An event, as the header `webhook-id` names it: the same for every try and every webhook.',
  examples: ['msg_01kcx7ha5c7q9r3t2v8w6x4y0z'],
});
const Events = Type.Array(
  Type.Union(
    SUBSCRIBED.map((type) => Type.Literal(type)),
    { description: 'The type of an event.' },
  ),
  { minItems: 1, uniqueItems: true, description: 'Which events are told.' },
);
const Format = Type.Union([Type.Literal('standard'), Type.Literal('discord')], {
  description: '`standard` is Standard Webhooks 1.0.0; `discord` posts messages to a webhook of Discord.',
});
export type WebhookFormat = Static<typeof Format>;
const Url = Type.String({
  minLength: 1,
  maxLength: 2_000,
  pattern: '^https?://',
  description: 'Where events are posted to: in production by https only.',
  examples: ['https://example.com/hooks'],
});

const WEBHOOK = {
  id: 'whk_01kcx7h9z4e2n8p6s5t3v1w0ya',
  url: 'https://example.com/hooks',
  events: ['season.final'],
  format: 'standard',
  createdAt: '2026-06-11T19:00:00.000Z',
  disabledAt: null,
  disabledBecause: null,
};
const WEBHOOK_MEMBERS = {
  id: WebhookId,
  url: Type.String({
    description: 'Without its query, and for Discord without its last part: these are as good as secrets.',
  }),
  events: Events,
  format: Format,
  createdAt: Time,
  disabledAt: Type.Unsafe<string | null>({
    anyOf: [Time, Type.Null()],
    description: 'Since when nothing is told; null if it is in use.',
  }),
  disabledBecause: Type.Unsafe<'administrator' | 'gone' | null>({
    anyOf: [Type.Literal('administrator'), Type.Literal('gone'), Type.Null()],
    description: '`gone`: the receiver answered 410, or Discord 404.',
  }),
};
export const Webhook = Type.Object(WEBHOOK_MEMBERS, {
  $id: 'Webhook',
  description: 'A receiver of events.',
  examples: [WEBHOOK],
});
export type Webhook = Static<typeof Webhook>;
export const Webhooks = List(ref(Webhook), {
  $id: 'Webhooks',
  description: 'A page of webhooks.',
  examples: [{ items: [WEBHOOK], nextCursor: null }],
});
export const WebhookSecret = Type.Object(
  {
    ...WEBHOOK_MEMBERS,
    secret: Type.String({
      pattern: '^whsec_[A-Za-z0-9+/=]+$',
      description: 'Verifies the signatures. It is shown this once.',
    }),
  },
  {
    $id: 'WebhookSecret',
    description: 'A receiver of events, with its secret.',
    examples: [{ ...WEBHOOK, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' }],
  },
);
export type WebhookSecret = Static<typeof WebhookSecret>;

export const WebhookParams = Type.Object({ id: WebhookId });
export const WebhooksQuery = Type.Object({ limit: Limit(20), cursor: Type.Optional(Cursor) });
export const NewWebhook = Type.Object(
  {
    url: Url,
    events: Events,
    format: defaulted(Type.Unsafe<WebhookFormat>({ ...Format, default: 'standard' })),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, examples: [{ url: 'https://example.com/hooks', events: ['season.final'] }] },
);
export type NewWebhook = Static<typeof NewWebhook>;
export const WebhookChange = Type.Object(
  {
    url: Type.Optional(Url),
    events: Type.Optional(Events),
    disabled: Type.Optional(Type.Boolean({ description: 'False puts a disabled webhook into use again.' })),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, examples: [{ events: ['season.final', 'leader.changed'] }] },
);
export type WebhookChange = Static<typeof WebhookChange>;

const DeliveryState = Type.Union([Type.Literal('waiting'), Type.Literal('delivered'), Type.Literal('dead')], {
  description: '`dead`: no try is left. It is kept for 30 days, and can be replayed.',
});
const DELIVERY = {
  id: 'msg_01kcx7ha5c7q9r3t2v8w6x4y0z',
  type: 'season.final',
  at: '2026-06-14T22:00:07.000Z',
  state: 'waiting',
  tries: 2,
  nextTryAt: '2026-06-14T22:05:12.000Z',
  triedAt: '2026-06-14T22:00:12.000Z',
  status: 503,
  error: null,
};
export const WebhookDelivery = Type.Object(
  {
    id: MessageId,
    type: Type.String(),
    at: Time,
    state: DeliveryState,
    tries: Type.Integer({ minimum: 0 }),
    nextTryAt: orNull(Time, 'Null if there will be none.'),
    triedAt: orNull(Time, 'The last try; null before the first.'),
    status: orNull(Type.Integer(), 'The status of the last answer; null if there was none.'),
    error: orNull(Type.String(), 'Why there was no answer.'),
  },
  { $id: 'WebhookDelivery', description: 'An event for one webhook.', examples: [DELIVERY] },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;
export const WebhookDeliveries = List(ref(WebhookDelivery), {
  $id: 'WebhookDeliveries',
  description: 'A page of deliveries.',
  examples: [{ items: [DELIVERY], nextCursor: null }],
});
export const DeliveriesQuery = Type.Object({
  state: Type.Optional(DeliveryState),
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
});
export const Replay = Type.Object(
  {
    deliveries: Type.Optional(
      Type.Array(MessageId, {
        minItems: 1,
        maxItems: 100,
        description: 'These, also if they were delivered.',
      }),
    ),
    since: Type.Optional(
      Type.Unsafe<string>({ ...Instant, description: 'All dead letters of events from this time on.' }),
    ),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, examples: [{ since: '2026-06-14T22:00:00.000Z' }] },
);
export type Replay = Static<typeof Replay>;
export const Replayed = Type.Object(
  {
    replayed: Type.Integer({
      minimum: 0,
      description: 'How many are tried again: the oldest, as many as fit into the 10,000 that may wait.',
    }),
  },
  { $id: 'Replayed', description: 'What is tried again.', examples: [{ replayed: 3 }] },
);
