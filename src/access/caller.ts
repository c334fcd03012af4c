import type { Scope } from '../../schemas/scope.js';
import { Problem } from '../errors.js';

/** The user, service account or administrator that a request comes from. */
export interface Caller {
  readonly id: string;
  /** A player has none. */
  readonly scopes: readonly Scope[];
  /** Of a user; null for all others. */
  readonly sessionId: string | null;
}

/** @throws Problem `forbidden`, which names the scope */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (!scopes.includes(scope)) throw new Problem('forbidden', `This needs the scope ${scope}.`);
}

/** Checks that the caller is a user. @throws Problem `forbidden` */
export async function requireUser({ user }: { readonly user: Caller }): Promise<void> {
  if (user.sessionId === null) throw new Problem('forbidden', 'A service account is not a user.');
}
