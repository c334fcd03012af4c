import type { Role } from '../../schemas/user.js';
import { Problem } from '../errors.js';

/** The user or service account that a request comes from. */
export interface Caller {
  readonly id: string;
  readonly role: Role;
  /** Null for a service account. */
  readonly sessionId: string | null;
}

interface Authenticated {
  readonly user: Caller;
}

/** A check that the caller has one of these roles. @throws Problem `forbidden` */
export function requireRole(...roles: Role[]): (request: Authenticated) => Promise<void> {
  return async ({ user }) => {
    if (!roles.includes(user.role))
      throw new Problem('forbidden', `This requires the role ${roles.join(' or ')}.`);
  };
}

/** Checks that the caller is a user. @throws Problem `forbidden` */
export async function requireUser({ user }: Authenticated): Promise<void> {
  if (user.sessionId === null) throw new Problem('forbidden', 'A service account is not a user.');
}
