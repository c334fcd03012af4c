import { type Static, Type } from '@sinclair/typebox';
import { Cursor, LeaderboardId, Limit, List, Points, Reason, ref, Time } from './common.js';
import { AdminEvent, AuditEntry, Correction, ModeratedUser } from './moderation.js';
import { DisplayName, ExternalId } from './user.js';

const [MODERATED_USER] = ModeratedUser.examples;

export const ModeratedUsers = List(ref(ModeratedUser), {
  $id: 'ModeratedUsers',
  description: 'A page of users.',
  examples: [{ items: [MODERATED_USER], nextCursor: null }],
});
export type ModeratedUsers = Static<typeof ModeratedUsers>;

const MODERATED_ENTRY = {
  leaderboard: 'global',
  title: 'Global',
  season: 1,
  score: 4_200,
  achievedAt: '2026-06-11T19:09:00.000Z',
  rank: null,
  withheld: true,
};
const ModeratedEntry = Type.Object({
  leaderboard: LeaderboardId,
  title: Type.String(),
  season: Type.Integer(),
  score: Points,
  achievedAt: Time,
  rank: Type.Union([Type.Integer(), Type.Null()], { description: 'Null if the score is withheld.' }),
  withheld: Type.Boolean({ description: 'Whether the score is not shown, as the user is banned or hidden.' }),
});
export type ModeratedEntry = Static<typeof ModeratedEntry>;

const ModeratedSession = Type.Object({
  id: Type.String({ description: 'A session.' }),
  createdAt: Time,
  refreshedAt: Time,
  expiresAt: Time,
  revokedAt: Type.Unsafe<string | null>({
    anyOf: [Time, Type.Null()],
    description: 'When it was ended; null if it goes on until it expires.',
  }),
});
export type ModeratedSession = Static<typeof ModeratedSession>;

export const ModeratedUserDetails = Type.Object(
  {
    ...ModeratedUser.properties,
    entries: Type.Array(ModeratedEntry, {
      description: 'In current seasons, also on hidden leaderboards: the first 100 by leaderboard.',
    }),
    events: Type.Array(ref(AdminEvent), {
      description: 'The newest 20. `GET /v1/admin/events?userId=` has the others.',
    }),
    sessions: Type.Array(ModeratedSession, { description: 'The newest 20.' }),
    acts: Type.Array(ref(AuditEntry), {
      description:
        'What administrators did about the user: the newest 20. `GET /v1/admin/audit?target=` has the others.',
    }),
  },
  {
    $id: 'ModeratedUserDetails',
    description: 'A user, with what it has done and what was done about it.',
    examples: [
      {
        ...MODERATED_USER,
        entries: [MODERATED_ENTRY],
        events: AdminEvent.examples,
        sessions: [
          {
            id: 'ses_01kcx7f0w3e5tt9m6d7kq2x1zb',
            createdAt: '2026-06-11T19:00:00.000Z',
            refreshedAt: '2026-06-11T19:00:00.000Z',
            expiresAt: '2026-07-11T19:00:00.000Z',
            revokedAt: null,
          },
        ],
        acts: AuditEntry.examples,
      },
    ],
  },
);
export type ModeratedUserDetails = Static<typeof ModeratedUserDetails>;

export const UserChange = Type.Object(
  {
    displayName: Type.Optional(DisplayName),
    nameLocked: Type.Optional(
      Type.Boolean({
        description:
          'Whether the user cannot change its name. A `displayName` is locked unless this is false; without one, false lets the user choose again.',
      }),
    ),
    hidden: Type.Optional(
      Type.Boolean({
        description:
          'Whether the user is off all boards and streams, while it plays on: its scores count, and are shown when it is no longer hidden.',
      }),
    ),
    ...Correction.properties,
  },
  {
    additionalProperties: false,
    examples: [{ displayName: 'Player 4711', reason: 'The name was a slur.' }],
  },
);
export type UserChange = Pick<Static<typeof UserChange>, 'displayName' | 'nameLocked' | 'hidden'>;

export const Ban = Type.Object(
  {
    until: Type.Optional(
      Type.Union([Time, Type.Null()], {
        description: 'When the ban ends by itself. Null, or absent: when it is lifted.',
      }),
    ),
    ...Correction.properties,
  },
  {
    additionalProperties: false,
    examples: [{ reason: 'Made with a modified client.', until: '2026-06-18T19:10:00.000Z' }],
  },
);

/** A DELETE has no body. */
export const ActQuery = Type.Object({ reason: Reason, amend: Correction.properties.amend });

export const UsersQuery = Type.Object({
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[^\\x00]+$',
      description:
        'The beginning of a display name or a username, or a whole user id. Of display names all are found that look alike: without case, accents, spaces and signs, with other alphabets and digits for letters. They come in the order of their names.',
      examples: ['ada'],
    }),
  ),
  externalId: Type.Optional(ExternalId),
  banned: Type.Optional(Type.Boolean({ description: 'Only who is banned, or only who is not.' })),
  limit: Limit(20),
  cursor: Type.Optional(Cursor),
});
export type UsersQuery = Static<typeof UsersQuery>;
