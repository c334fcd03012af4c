import { type Static, Type } from '@sinclair/typebox';
import {
  AchievedAt,
  ActionId,
  Cursor,
  EventId,
  EventStatus,
  Limit,
  List,
  Points,
  ref,
  Time,
  UserId,
} from './common.js';
import { ProblemDocument } from './problem.js';

/** Looked at more closely by src/access/display-name.ts: what is visible, and whether it looks like a name of the service. */
export const DisplayName = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'A name to show: 1 to 32 visible characters. Stored in Unicode form NFC.',
  examples: ['Ada'],
});
export const Username = Type.String({
  pattern: '^[A-Za-z0-9_.-]{3,32}$',
  description: 'Unique without regard to case.',
  examples: ['ada.l'],
});
export const Password = Type.String({
  minLength: 8,
  maxLength: 256,
  description: '8 to 256 characters.',
  examples: ['correct horse battery staple'],
});
export const EXTERNAL_ID = '^[^\\x00-\\x1f\\x7f-\\x9f]+$';
export const MAX_EXTERNAL_ID = 128;
export const ExternalId = Type.String({
  minLength: 1,
  maxLength: MAX_EXTERNAL_ID,
  pattern: EXTERNAL_ID,
  description: "The user's id in your own system.",
  examples: ['player-4711'],
});

export const Role = Type.Union([Type.Literal('player'), Type.Literal('server'), Type.Literal('admin')]);
export type Role = Static<typeof Role>;

const USER = {
  id: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
  displayName: 'Ada',
  username: null,
  role: 'player',
  createdAt: '2026-06-11T19:00:00.000Z',
};

export const User = Type.Object(
  {
    id: UserId,
    displayName: Type.String(),
    username: Type.Union([Type.String(), Type.Null()], { description: 'Null for a guest.' }),
    role: Role,
    createdAt: Time,
  },
  {
    $id: 'User',
    description: 'A user.',
    examples: [USER],
  },
);
export type User = Static<typeof User>;

export const PublicUser = Type.Object(
  { id: UserId, displayName: Type.String(), createdAt: Time },
  {
    $id: 'PublicUser',
    description: 'The public data of a user.',
    examples: [
      { id: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb', displayName: 'Ada', createdAt: '2026-06-11T19:00:00.000Z' },
    ],
  },
);
export type PublicUser = Static<typeof PublicUser>;

export const UserQuery = Type.Object({ externalId: ExternalId });
export const UserParams = Type.Object({ id: UserId });

export const Credentials = Type.Object(
  { username: Username, password: Password },
  {
    additionalProperties: false,
    examples: [{ username: 'ada.l', password: 'correct horse battery staple' }],
  },
);
export const Renaming = Type.Object(
  { displayName: DisplayName },
  { additionalProperties: false, examples: [{ displayName: 'Countess Ada' }] },
);
export const NewUser = Type.Object(
  {
    displayName: DisplayName,
    externalId: Type.Optional(ExternalId),
    rename: Type.Optional(
      Type.Boolean({ description: 'Whether a user that is known by its `externalId` takes this name.' }),
    ),
  },
  { additionalProperties: false, examples: [{ displayName: 'Ada', externalId: 'player-4711' }] },
);

export const UserBatch = Type.Object(
  {
    users: Type.Array(
      Type.Object({ displayName: DisplayName, externalId: ExternalId }, { additionalProperties: false }),
      {
        minItems: 1,
        maxItems: 500,
      },
    ),
  },
  { additionalProperties: false, examples: [{ users: [{ displayName: 'Ada', externalId: 'player-4711' }] }] },
);
export type UserBatch = Static<typeof UserBatch>;

export const BatchedUser = Type.Object(
  {
    status: Type.Integer({
      description: '201 if it was created, 200 if it was there, otherwise that of the problem.',
    }),
    user: Type.Optional(ref(User)),
    problem: Type.Optional(ref(ProblemDocument)),
  },
  { $id: 'BatchedUser', description: 'A user or a problem.' },
);
export type BatchedUser = Static<typeof BatchedUser>;

export const BatchedUsers = Type.Object(
  { items: Type.Array(ref(BatchedUser), { description: 'In the order of the request.' }) },
  {
    $id: 'BatchedUsers',
    description: 'What became of each user.',
    examples: [{ items: [{ status: 201, user: USER }] }],
  },
);
export type BatchedUsers = Static<typeof BatchedUsers>;

const SCORE_EVENT = {
  eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
  action: 'collect-coin',
  points: 10,
  metadata: null,
  acceptedAt: '2026-06-11T19:09:00.000Z',
  status: 'counted',
};
export const ScoreEvent = Type.Object(
  {
    eventId: EventId,
    action: ActionId,
    points: Points,
    metadata: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    acceptedAt: Time,
    achievedAt: AchievedAt,
    status: EventStatus,
  },
  { $id: 'ScoreEvent', description: 'Points that were scored.', examples: [SCORE_EVENT] },
);
export type ScoreEvent = Static<typeof ScoreEvent>;

export const ScoreEvents = List(ref(ScoreEvent), {
  $id: 'ScoreEvents',
  description: 'A page of a score history.',
  examples: [{ items: [SCORE_EVENT], nextCursor: null }],
});
export type ScoreEvents = Static<typeof ScoreEvents>;
export const HistoryQuery = Type.Object({ limit: Limit(20), cursor: Type.Optional(Cursor) });
