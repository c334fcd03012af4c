import { type ObjectOptions, type Static, type TSchema, Type } from '@sinclair/typebox';
import { isVisible } from './visible-text.js';

/** A reference to a schema that has an `$id`, so that the OpenAPI document names it once. */
export const ref = <T extends TSchema & { $id?: string }>(schema: T) =>
  Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` });

/** A response whose body is of a named schema, with the example of that schema where tools look for one first. */
export const answer = <T extends TSchema & { $id?: string }>(schema: T) =>
  Type.Unsafe<Static<T>>({
    description: schema.description ?? '',
    content: { 'application/json': { schema: ref(schema), example: schema.examples?.[0] } },
  });

/** Optional for the caller, always there for the handler: validation fills in the default. */
export const defaulted = <T extends TSchema>(schema: T) => Type.Unsafe<Static<T>>(Type.Optional(schema));

/** A TypeID: a prefix and 128 bits in Crockford's base32. */
const Id = (prefix: string, what: string, example: string) =>
  Type.String({ pattern: `^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`, description: what, examples: [example] });

export const UserId = Id('usr', 'A user.', 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb');
export const EventId = Id('evt', 'A score event.', 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd');
export const ServiceAccountId = Id('svc', 'A service account.', 'svc_01kcx7d2m8f4q9t3v6w1y5z0ab');
export const AuditId = Id('aud', 'An act of an administrator.', 'aud_01kcx7h5r3e8n2p6s9t4v7w0yc');
export const TokenId = Id('tok', 'An action token.', 'tok_01kcx7fz9pe1cb2rr1n9h2kq5x');

export const SessionId = Id('ses', 'A session.', 'ses_01kcx7g0q5f1v7n3b8h2m6d9ka');
export const ImportId = Id('imp', 'An import.', 'imp_01kcx7k4s5e8n2p6s9t4v7w0yc');

/** Source of a regular expression, without anchors. */
export const SLUG = '[a-z0-9][a-z0-9-]{0,62}';
export const LeaderboardId = Type.String({
  pattern: `^${SLUG}$`,
  description: 'A leaderboard.',
  examples: ['global'],
});
export const ActionId = Type.String({
  pattern: `^${SLUG}$`,
  description: 'An action.',
  examples: ['collect-coin'],
});
const RFC3339 = /^(?!0000)(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/** Whether a text is a time as in RFC 3339 that a Date and PostgreSQL can hold: no leap second, and nothing of the year 0. */
export function isTime(text: string): boolean {
  const [, date = ''] = RFC3339.exec(text) ?? [];
  const day = Date.parse(date);
  // Date.parse() takes 30 February for 2 March.
  const isDay = !Number.isNaN(day) && new Date(day).toISOString().startsWith(date);
  return isDay && !Number.isNaN(Date.parse(text));
}

/** Formats of our own, for what patterns cannot say in every language: they must be readable in Python too. */
export const FORMATS = { 'visible-text': isVisible, 'date-time': isTime };
export const Title = Type.String({
  minLength: 1,
  maxLength: 100,
  format: 'visible-text',
  description: 'A title to show.',
});

/** Text beside something else, such as a number. */
export const ShortText = Type.String({ minLength: 1, maxLength: 16, format: 'visible-text' });

/** A language with its script and its region, as BCP 47 has them. */
const LANGUAGE = '^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$';
export const Titles = Type.Record(Type.String(), Title, {
  // Of patterns of properties the OpenAPI document says nothing.
  propertyNames: { pattern: LANGUAGE },
  maxProperties: 64,
  description:
    'Titles in other languages, by tags of BCP 47. Name the language of `title` too, so that its readers get no other. Absent from responses if there are none.',
  examples: [{ en: 'Fastest lap', de: 'Schnellste Runde', 'pt-BR': 'Volta mais rápida' }],
});
export const Locale = Type.Optional(
  Type.String({
    pattern: '^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}$',
    description:
      'The language of titles and of `formatted` as a tag of BCP 47, by default those of `Accept-Language`. One that is not known is English.',
    examples: ['de-CH'],
  }),
);

/** Points and scores: every integer that JSON carries exactly. */
export const Points = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
export const PointsRange = Type.Object(
  { min: Points, max: Points },
  { additionalProperties: false, description: 'Lowest and highest points, both allowed.' },
);
export type PointsRange = Static<typeof PointsRange>;

/** Beside a score. */
export const Formatted = Type.Optional(
  Type.String({
    description:
      'The score as people write it, where the leaderboard has a `unit` or the request a `locale`.',
  }),
);

/** Beside the rank of an entry, which is its own. */
export const SharedRank = Type.Integer({
  minimum: 1,
  description: 'The rank that all entries with the same score share: 1, 2, 2, 4.',
});

export const Time = Type.String({
  format: 'date-time',
  description: 'RFC 3339, UTC, with milliseconds.',
  examples: ['2026-06-11T19:09:00.000Z'],
});

/** Beside the time at which an event was accepted. */
export const AchievedAt = Type.Optional({
  ...Time,
  description: 'Only of an imported event: when the score was achieved, as its import says.',
});

export const SeasonNumber = Type.Integer({ minimum: 1, maximum: 2_147_483_647 });
export const SeasonEndsAt = Type.Unsafe<string | null>({
  anyOf: [Time, Type.Null()],
  description: 'Before this time the season takes scores. Null if its end is open.',
});
export const Now = Type.Unsafe<string>({
  ...Time,
  description: 'The time of the service, so that a countdown needs no right clock.',
});

export const Cursor = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,512}$',
  description: 'The `nextCursor` of the previous page.',
});
export const Limit = (fallback: number) =>
  defaulted(
    Type.Integer({ minimum: 1, maximum: 100, default: fallback, description: 'Maximum number of items.' }),
  );

export const EventStatus = Type.Union(
  [Type.Literal('counted'), Type.Literal('held'), Type.Literal('voided')],
  { description: 'Only counted events are on the boards.' },
);
export type EventStatus = Static<typeof EventStatus>;

export const Reason = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: '^[^\\x00]+$',
  description: 'The reason, for the audit.',
  examples: ['The key of game server 3 was leaked.'],
});

/** A DELETE has no body. */
export const Deletion = Type.Object({ reason: Type.Optional(Reason) });

export const NextCursor = Type.Union([Type.String(), Type.Null()]);

/** Of the body of a request for many things at once. */
export const MAX_BATCH_BYTES = 2 ** 20;

/** A list: `nextCursor` asks for what comes after, null says that this is the end. */
export const List = <T extends TSchema>(item: T, options: ObjectOptions) =>
  Type.Object({ items: Type.Array(item), nextCursor: NextCursor }, options);
/** A list of what begins or ends at a time. */
export const TimedList = <T extends TSchema>(item: T, options: ObjectOptions) =>
  Type.Object({ items: Type.Array(item), nextCursor: NextCursor, now: Now }, options);
