import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { Problem } from '../errors.js';

/** argon2id, the library's default, with 19 MiB, two iterations, one thread. Source: OWASP Password Storage Cheat Sheet. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** A hash takes some 20 ms of a core; this limit keeps logins from starving scores. */
const MAX_HASHING = 2;
const MAX_WAITING = 64;

/** Passwords of unknown users are compared with this hash, so that the answer takes as long. */
const NOBODY = hash('the password of nobody', PARAMETERS);

const limit = pLimit(MAX_HASHING);

/** @throws Problem `service-unavailable` if too many wait already */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (limit.pendingCount >= MAX_WAITING)
    throw new Problem('service-unavailable', 'Too many requests are waiting.');
  return limit(work);
}

/** @throws Problem `service-unavailable` if too many wait already */
export const hashPassword = (password: string): Promise<string> => inTurn(() => hash(password, PARAMETERS));

/** Whether the password is right. `stored` is null if there is no such user: that takes as long and gives false. */
export async function checkPassword(password: string, stored: string | null): Promise<boolean> {
  const right = await inTurn(async () => verify(stored ?? (await NOBODY), password));
  return right && stored !== null;
}
