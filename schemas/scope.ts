import { type Static, Type } from '@sinclair/typebox';

const scope = <T extends string>(name: T, description: string) => Type.Literal(name, { description });

/** What a caller may do. The role of an account is a bundle of these: see src/access/scopes.ts. */
export const Scope = Type.Union(
  [
    scope('scores:write', 'Post action tokens of any player.'),
    scope('scores:mint', 'Issue action tokens for any player and action, and score without one.'),
    scope('users:read', 'Look players up.'),
    scope('users:write', 'Make players, change their names, open sessions for them.'),
    scope('boards:write', 'Define leaderboards, seasons, actions, webhooks and service accounts.'),
    scope('moderation', 'Judge events and players.'),
    scope('read', 'Read what administrators see: the ledger, the audit, webhooks, service accounts.'),
  ],
  { description: 'What a caller may do.' },
);
export type Scope = Static<typeof Scope>;

export const SCOPES: readonly Scope[] = Scope.anyOf.map(({ const: name }) => name);
