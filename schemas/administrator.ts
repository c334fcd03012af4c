import { type Static, Type } from '@sinclair/typebox';
import { Time } from './common.js';
import { Scope } from './scope.js';

/** The roles of people. */
export const AdminRole = Type.Union([Type.Literal('admin'), Type.Literal('moderator')]);
export type AdminRole = Static<typeof AdminRole>;

/** Any text may be tried: what cannot be right is answered like what is not. */
export const AdminLogin = Type.Object(
  {
    name: Type.String({ maxLength: 256 }),
    password: Type.String({ maxLength: 1_024 }),
    code: Type.String({ maxLength: 64, description: 'The six digits of now, or a recovery code.' }),
  },
  {
    additionalProperties: false,
    examples: [{ name: 'ada', password: 'p2xJ0cVnV0nOa3vQ6kqk4A', code: '492039' }],
  },
);
export type AdminLogin = Static<typeof AdminLogin>;

export const AdminSession = Type.Object(
  {
    id: Type.String({ pattern: '^adm_[0-7][0-9a-hjkmnp-tv-z]{25}$' }),
    name: Type.String(),
    role: AdminRole,
    scopes: Type.Array(Scope),
    csrfToken: Type.String({ description: 'Sent as `x-csrf-token` with every other request.' }),
    expiresAt: Time,
    idleSeconds: Type.Integer({ description: 'Seconds without a request after which the session ends.' }),
    recoveryCodesLeft: Type.Integer(),
  },
  {
    $id: 'AdminSession',
    description: 'The session of an administrator.',
    examples: [
      {
        id: 'adm_01kcx7d2m8f4q9t3v6w1y5z0ab',
        name: 'ada',
        role: 'moderator',
        scopes: ['users:read', 'moderation', 'read'],
        csrfToken: 'h0u3mG9Yx5cWm4m1M3l0Zk7bq1S5o6yTn2r8vE9dKfA',
        expiresAt: '2026-06-12T07:00:00.000Z',
        idleSeconds: 1800,
        recoveryCodesLeft: 10,
      },
    ],
  },
);
export type AdminSession = Static<typeof AdminSession>;
