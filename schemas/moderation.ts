import { type ObjectOptions, type Static, type TSchema, Type } from '@sinclair/typebox';
import {
  AchievedAt,
  ActionId,
  AuditId,
  Cursor,
  EventId,
  EventStatus,
  ImportId,
  LeaderboardId,
  Limit,
  NextCursor,
  Points,
  Reason,
  ref,
  ServiceAccountId,
  Time,
  TokenId,
  UserId,
} from './common.js';
import { Role } from './user.js';

const IssuedBy = Type.String({ pattern: `^player$|${ServiceAccountId.pattern}` });
const SigningKey = Type.String({
  pattern: '^key_[0-9a-f]{8}$',
  description: 'The first 8 hexadecimal digits of the SHA-256 of the secret that signed the token.',
  examples: ['key_c0eded57'],
});
const Issuer = Type.String({
  pattern: `^player$|${SigningKey.pattern}|${ServiceAccountId.pattern}`,
  description:
    'The issuer of the token: the service account that requested it, `player`, or the key that signed it.',
  examples: ['key_c0eded57'],
});
const Moment = Type.String({ format: 'date-time', examples: ['2026-06-11T19:00:00.000Z'] });
const From = Type.Unsafe<string>({ ...Moment, description: 'Events accepted at this time or later.' });
const To = Type.Unsafe<string>({ ...Moment, description: 'Events accepted before this time.' });

/** How far a search looks back if it does not say. */
export const SEARCH_DAYS = 30;
const Bound = (description: string) =>
  Type.Unsafe<string | null>({ anyOf: [Time, Type.Null()], description });
const SEARCHED = { from: '2026-05-12T19:10:00.000Z', to: null };
/** A page of a search, with the span of time that it is of. */
const Found = <T extends TSchema>(item: T, options: ObjectOptions) =>
  Type.Object(
    {
      items: Type.Array(item),
      nextCursor: NextCursor,
      from: Bound('What is found is of this time or later. Null if it looks back without end.'),
      to: Bound('What is found is of before this time. Null if that is not limited.'),
    },
    options,
  );

const HELD_BECAUSE = {
  limit: 'maxPointsPerMinute',
  leaderboard: 'global',
  allowed: 500,
  reached: 900,
  usual: { events: 57, median: 12, most: 30 },
} as const;
export const HeldBecause = Type.Object(
  {
    limit: Type.Union([Type.Literal('maxPointsPerMinute'), Type.Literal('maxRobustZ')], {
      description: 'The limit that it has exceeded, of its leaderboard or its action.',
    }),
    leaderboard: Type.Unsafe<string | null>({
      anyOf: [LeaderboardId, Type.Null()],
      description: 'Null if the limit is one of the action.',
    }),
    allowed: Type.Number({ description: 'What the limit allows.' }),
    reached: Type.Number({ description: 'What it would have come to with this event.' }),
    usual: Type.Unsafe<{ events: number; median: number; most: number } | null>({
      anyOf: [
        Type.Object({
          events: Type.Integer({ minimum: 1, description: 'How many there were.' }),
          median: Points,
          most: Points,
        }),
        Type.Null(),
      ],
      description:
        'The points of the events of the same user and action that counted until then, of its last 500. Null if there were none.',
    }),
  },
  { $id: 'HeldBecause', description: 'Why an event was held.', examples: [HELD_BECAUSE] },
);
export type HeldBecause = Static<typeof HeldBecause>;

const ADMIN_EVENT = {
  eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
  userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  action: 'finish-level',
  points: 900,
  metadata: null,
  acceptedAt: '2026-06-11T19:09:00.000Z',
  status: 'held',
  leaderboards: [{ id: 'global', season: 1 }],
  tokenId: 'tok_01kcx7fz9pe1cb2rr1n9h2kq5x',
  issuedBy: 'player',
  signingKey: 'key_c0eded57',
  heldBecause: HELD_BECAUSE,
};
export const AdminEvent = Type.Object(
  {
    eventId: EventId,
    userId: UserId,
    action: ActionId,
    points: Points,
    metadata: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    acceptedAt: Time,
    achievedAt: AchievedAt,
    importId: Type.Optional({ ...ImportId, description: 'Only of an imported event: its import.' }),
    status: EventStatus,
    leaderboards: Type.Array(Type.Object({ id: LeaderboardId, season: Type.Integer() }), {
      description: 'The boards on which it counts, or would count.',
    }),
    tokenId: TokenId,
    issuedBy: Type.Union([IssuedBy, Type.Null()], {
      description:
        'The account that requested the token, or `player`. Null if the token was minted elsewhere.',
    }),
    signingKey: Type.Union([SigningKey, Type.Null()]),
    heldBecause: Type.Unsafe<HeldBecause | null>({
      anyOf: [ref(HeldBecause), Type.Null()],
      description: 'Also when it counts or is voided by now. Null if it was not held.',
    }),
  },
  {
    $id: 'AdminEvent',
    description: 'A score event, with the data for administrators.',
    examples: [ADMIN_EVENT],
  },
);
export type AdminEvent = Static<typeof AdminEvent>;
export const AdminEvents = Found(ref(AdminEvent), {
  $id: 'AdminEvents',
  description: 'A page of the ledger.',
  examples: [{ items: [ADMIN_EVENT], nextCursor: null, ...SEARCHED }],
});
export type AdminEvents = Static<typeof AdminEvents>;

export const EventParams = Type.Object({ id: EventId });
export const EventsQuery = Type.Object({
  status: Type.Optional(EventStatus),
  userId: Type.Optional(UserId),
  action: Type.Optional(ActionId),
  issuer: Type.Optional(Issuer),
  from: Type.Optional(From),
  to: Type.Optional(To),
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
});

export const Judgement = Type.Object(
  { reason: Reason },
  { additionalProperties: false, examples: [{ reason: 'Seen on video, it was real.' }] },
);
const Amend = Type.Optional(
  Type.Boolean({
    description:
      'Whether seasons that are final are corrected too. They then get another revision and digest, and `season.final` is told again.',
  }),
);
/** A judgement that may concern seasons that are final. */
export const Correction = Type.Object(
  { ...Judgement.properties, amend: Amend },
  { additionalProperties: false, examples: Judgement.examples },
);
export const MassVoid = Type.Object(
  {
    userId: Type.Optional(UserId),
    action: Type.Optional(ActionId),
    issuer: Type.Optional(Issuer),
    from: From,
    to: To,
    reason: Reason,
    amend: Amend,
    preview: Type.Optional(
      Type.Boolean({ description: 'Whether nothing is voided, and the answer says what would be.' }),
    ),
  },
  {
    additionalProperties: false,
    examples: [
      {
        issuer: 'key_c0eded57',
        from: '2026-06-11T19:00:00.000Z',
        to: '2026-06-11T20:00:00.000Z',
        reason: 'The key was leaked.',
      },
    ],
  },
);
const VOID_PREVIEW = {
  events: 3,
  boards: [
    {
      id: 'global',
      season: 1,
      moves: [
        {
          userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
          displayName: 'Ada',
          from: 1,
          to: 17,
          score: 90_300,
          scoreAfter: 300,
        },
      ],
    },
  ],
};
const RankOrNull = (description: string) =>
  Type.Unsafe<number | null>({ anyOf: [Type.Integer({ minimum: 1 }), Type.Null()], description });
export const VoidPreview = Type.Object(
  {
    events: Type.Unsafe<number | null>({
      anyOf: [Type.Integer(), Type.Null()],
      description: 'How many events would be voided. Null if it takes too long to count them.',
    }),
    boards: Type.Unsafe<
      | {
          id: string;
          season: number;
          moves: {
            userId: string;
            displayName: string;
            from: number;
            to: number | null;
            score: number;
            scoreAfter: number | null;
          }[];
        }[]
      | null
    >({
      anyOf: [
        Type.Array(
          Type.Object({
            id: LeaderboardId,
            season: Type.Integer(),
            moves: Type.Array(
              Type.Object({
                userId: UserId,
                displayName: Type.String(),
                from: Type.Integer({ minimum: 1, description: 'The rank now.' }),
                to: RankOrNull('The rank afterwards; null if there is no entry any more.'),
                score: Points,
                scoreAfter: Type.Unsafe<number | null>({ anyOf: [Points, Type.Null()] }),
              }),
              { description: 'Which of the first 100 would have another rank or score.' },
            ),
          }),
        ),
        Type.Null(),
      ],
      description:
        'The boards that the events count for: the first 20. Null if there are more than 5,000 events, or if it takes too long.',
    }),
  },
  { $id: 'VoidPreview', description: 'What a void of many events would do.', examples: [VOID_PREVIEW] },
);
export type VoidPreview = Static<typeof VoidPreview>;

const ACT = {
  id: 'aud_01kcx7h5r3e8n2p6s9t4v7w0yc',
  state: 'running',
  voided: 31_000,
  total: 300_000,
  problem: null,
  undoes: null,
};
export const Act = Type.Object(
  {
    id: AuditId,
    state: Type.Union([Type.Literal('running'), Type.Literal('done'), Type.Literal('failed')]),
    voided: Type.Integer({
      description: 'Number of events that it has voided, or if it undoes a void, that it has given back.',
    }),
    total: Type.Unsafe<number | null>({
      anyOf: [Type.Integer(), Type.Null()],
      description: 'How many there were. Null until they are counted, and if that takes too long.',
    }),
    problem: Type.Unsafe<string | null>({
      anyOf: [
        Type.Literal('points-out-of-range'),
        Type.Literal('season-final'),
        Type.Literal('act-undone'),
        Type.Null(),
      ],
      description:
        'The code of what has ended it. What was done before stays so, but for `act-undone`: somebody has undone it while it was at work.',
    }),
    undoes: Type.Unsafe<string | null>({
      anyOf: [AuditId, Type.Null()],
      description: 'The act that it undoes; null if it does not.',
    }),
  },
  { $id: 'Act', description: 'An act of an administrator that takes its time.', examples: [ACT] },
);
export type Act = Static<typeof Act>;
export const ActParams = Type.Object({ id: AuditId });

const TimeOrNull = (description: string) =>
  Type.Unsafe<string | null>({ anyOf: [Time, Type.Null()], description });

const MODERATED_USER = {
  id: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  displayName: 'Ada',
  username: null,
  externalId: 'player-4711',
  role: 'player' as const,
  createdAt: '2026-06-11T19:00:00.000Z',
  nameLocked: false,
  hiddenAt: null,
  bannedAt: '2026-06-11T19:10:00.000Z',
  bannedUntil: '2026-06-18T19:10:00.000Z',
  erasedAt: null,
};
export const ModeratedUser = Type.Object(
  {
    id: UserId,
    displayName: Type.String({ description: 'Empty if the user was erased.' }),
    username: Type.Union([Type.String(), Type.Null()], { description: 'Null for a guest.' }),
    externalId: Type.Union([Type.String(), Type.Null()], {
      description: "The user's id in your own system; null if it has none.",
    }),
    role: Role,
    createdAt: Time,
    nameLocked: Type.Boolean({
      description: 'Whether an administrator has given the name: the user cannot change it.',
    }),
    hiddenAt: TimeOrNull('When the user was hidden from all boards; null if it is not hidden.'),
    bannedAt: TimeOrNull('When the user was banned; null if it is not banned.'),
    bannedUntil: TimeOrNull('When the ban ends by itself; null if it does not.'),
    erasedAt: TimeOrNull(
      'When the user was erased: after that only who is banned is known. Null if it was not.',
    ),
  },
  {
    $id: 'ModeratedUser',
    description: 'A user, with the data for administrators.',
    examples: [MODERATED_USER],
  },
);
export type ModeratedUser = Static<typeof ModeratedUser>;

const AUDIT_ENTRY = {
  id: 'aud_01kcx7h5r3e8n2p6s9t4v7w0yc',
  at: '2026-06-11T19:10:00.000Z',
  actor: 'svc_01kcx7d2m8f4q9t3v6w1y5z0ab',
  action: 'void-event',
  target: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
  reason: 'Made with a modified client.',
  details: { from: 'counted', to: 'voided' },
  actorName: 'moderators',
  undoneBy: null,
};
const AuditAction = Type.Union(
  (
    [
      'put-leaderboard',
      'freeze-leaderboard',
      'unfreeze-leaderboard',
      'delete-leaderboard',
      'end-season',
      'change-season',
      'move-boundaries',
      'put-action',
      'delete-action',
      'release-event',
      'import-scores',
      'export-entries',
      'export-events',
      'export-user',
      'void-event',
      'void-events',
      'ban-user',
      'unban-user',
      'create-webhook',
      'change-webhook',
      'delete-webhook',
      'rotate-webhook',
      'replay-webhook',
      'rename-user',
      'hide-user',
      'unhide-user',
      'erase-user',
      'end-sessions',
      'delete-entry',
      'restore-entry',
      'unvoid-event',
      'unvoid-events',
      'hold-event',
      'create-administrator',
      'reset-administrator',
      'disable-administrator',
      'create-service-account',
      'rotate-service-account',
      'revoke-service-account',
    ] as const
  ).map((action) => Type.Literal(action)),
);
export const AuditEntry = Type.Object(
  {
    id: AuditId,
    at: Time,
    actor: Type.String({
      description:
        'The service account or person that did it; `operator` for somebody at the shell of a server, `service` for what the service does by itself.',
    }),
    actorName: Type.Union([Type.String(), Type.Null()], {
      description: 'The name of that account or person; null if it has none any more.',
    }),
    action: AuditAction,
    target: Type.String({ description: 'The id of the changed object; `events` for several events.' }),
    reason: Type.Union([Type.String(), Type.Null()]),
    details: Type.Record(Type.String(), Type.Unknown()),
    undoneBy: Type.Union([AuditId, Type.Null()], {
      description: 'The act by which this one was undone; null if it was not.',
    }),
  },
  { $id: 'AuditEntry', description: 'An act of an administrator.', examples: [AUDIT_ENTRY] },
);
export type AuditEntry = Static<typeof AuditEntry>;
export const AuditTrail = Found(ref(AuditEntry), {
  $id: 'AuditTrail',
  description: 'A page of the audit.',
  examples: [{ items: [AUDIT_ENTRY], nextCursor: null, ...SEARCHED }],
});
export type AuditTrail = Static<typeof AuditTrail>;
export const AuditQuery = Type.Object({
  actor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[^\\x00]+$',
      description: 'The id or the name of a service account or person, `operator`, or `service`.',
      examples: ['svc_01kcx7d2m8f4q9t3v6w1y5z0ab'],
    }),
  ),
  action: Type.Optional(AuditAction),
  target: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[^\\x00]+$',
      description: 'The id of what was changed.',
      examples: ['usr_01kcx7f0w3e5tt9m6d7kq2x1zb'],
    }),
  ),
  from: Type.Optional(Type.Unsafe<string>({ ...Moment, description: 'Acts at this time or later.' })),
  to: Type.Optional(Type.Unsafe<string>({ ...Moment, description: 'Acts before this time.' })),
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
});
