import { type Static, Type } from '@sinclair/typebox';
import { Cursor, defaulted, Limit, List, Reason, ref, ServiceAccountId, Time } from './common.js';
import { Scope } from './scope.js';

export const ServiceAccountRole = Type.Union([Type.Literal('server'), Type.Literal('admin')]);
export type ServiceAccountRole = Static<typeof ServiceAccountRole>;

const orNull = (description: string) =>
  Type.Unsafe<string | null>({ anyOf: [Time, Type.Null()], description });

const EXAMPLE = {
  id: 'svc_01kcx7d2m8f4q9t3v6w1y5z0ab',
  name: 'my-game',
  role: null,
  scopes: ['scores:write', 'users:read'],
  createdAt: '2026-06-11T19:00:00.000Z',
  lastUsedAt: null,
  previousSecretUntil: null,
  revokedAt: null,
};
export const ServiceAccount = Type.Object(
  {
    id: ServiceAccountId,
    name: Type.String(),
    role: Type.Unsafe<ServiceAccountRole | null>({
      anyOf: [ServiceAccountRole, Type.Null()],
      description: 'Null if it was made with scopes.',
    }),
    scopes: Type.Array(Scope),
    createdAt: Time,
    lastUsedAt: orNull('When it was last used, to some minutes; null if never.'),
    previousSecretUntil: orNull('Until then the secret before works too; null if there is none.'),
    revokedAt: orNull('When it was revoked; null if it is in force.'),
  },
  { $id: 'ServiceAccount', description: 'A service account.', examples: [EXAMPLE] },
);
export type ServiceAccount = Static<typeof ServiceAccount>;

export const ServiceAccountSecret = Type.Object(
  { ...ServiceAccount.properties, secret: Type.String({ description: 'Shown this once.' }) },
  {
    $id: 'ServiceAccountSecret',
    description: 'A service account, with its secret.',
    examples: [{ ...EXAMPLE, secret: 'k5q2JcV0nOa3vQ6kqk4Ap2xJ0cVnV0nOa3vQ6kqk4A' }],
  },
);
export type ServiceAccountSecret = Static<typeof ServiceAccountSecret>;

export const ServiceAccounts = List(ref(ServiceAccount), {
  $id: 'ServiceAccounts',
  description: 'A page of service accounts.',
  examples: [{ items: [EXAMPLE], nextCursor: null }],
});

export const ServiceAccountParams = Type.Object({ id: ServiceAccountId });
export const ServiceAccountsQuery = Type.Object({ limit: Limit(20), cursor: Type.Optional(Cursor) });

export const NewServiceAccount = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
      description: 'Unique, also among those that are revoked.',
    }),
    role: Type.Optional(ServiceAccountRole),
    scopes: Type.Optional(
      Type.Array(Scope, { minItems: 1, maxItems: 7, description: 'In place of a role.' }),
    ),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, examples: [{ name: 'my-game', scopes: ['scores:write', 'users:read'] }] },
);
export type NewServiceAccount = Static<typeof NewServiceAccount>;

export const Rotation = Type.Object(
  {
    overlapSeconds: defaulted(
      Type.Integer({
        minimum: 0,
        maximum: 604_800,
        default: 86_400,
        description: 'How long the secret before still works; 0 if it was leaked.',
      }),
    ),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, default: {}, examples: [{ overlapSeconds: 86_400 }] },
);
export type Rotation = Static<typeof Rotation>;
