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

/** The scopes of a list with a space between any two, as OAuth 2.0 writes it. Unknown ones are left out: they may come later. */
export function scopesIn(list: string): Scope[] {
  const names = list.split(' ');
  return SCOPES.filter((scope) => names.includes(scope));
}
