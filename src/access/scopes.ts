import { SCOPES, type Scope } from '../../schemas/scope.js';
import type { Role } from '../../schemas/user.js';

/** What each role may do. */
export const BUNDLES: Readonly<Record<Role | 'moderator', readonly Scope[]>> = {
  player: [],
  server: ['scores:write', 'scores:mint', 'users:read', 'users:write'],
  moderator: ['users:read', 'moderation', 'read'],
  // All of them: nobody can give a scope that it does not have, and administrators make the accounts of game servers.
  admin: SCOPES,
};

/** Those scopes that are known, in one order: others may come in a later version. */
export const known = (names: readonly string[]): Scope[] => SCOPES.filter((scope) => names.includes(scope));

/** The scopes of a list with a space between any two, as OAuth 2.0 writes it. */
export const scopesIn = (list: string): Scope[] => known(list.split(' '));
