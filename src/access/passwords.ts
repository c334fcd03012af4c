import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { invalid, Problem } from '../errors.js';

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

const MIN_LENGTH = 8;

/** As keyboards and systems agree on it: one writes "é" as one character, another as two. */
const normal = (password: string): string => password.normalize('NFKC');

const hashForm = (form: string): Promise<string> => inTurn(() => hash(form, PARAMETERS));

/** @throws Problem `service-unavailable` if too many wait already */
export const hashPassword = (password: string): Promise<string> => hashForm(normal(password));

/** @throws Problem `validation-failed` if the password is too short, `service-unavailable` if too many wait already */
export async function hashNewPassword(password: string): Promise<string> {
  const form = normal(password);
  if ([...form].length < MIN_LENGTH) throw invalid('/password', `must have ${MIN_LENGTH} characters or more`);
  return hashForm(form);
}

/**
 * Compares a password with a hash. It is `outdated` if it is right, but was hashed as it was typed, before hashes were made of the
 * normal form. `stored` is null if there is no such user: that takes as long, and is wrong.
 * @throws Problem `service-unavailable` if too many wait already
 */
export async function checkPassword(
  password: string,
  stored: string | null,
): Promise<'right' | 'outdated' | 'wrong'> {
  const is = (text: string) => inTurn(async () => verify(stored ?? (await NOBODY), text));
  const form = normal(password);
  const isNormal = await is(form);
  const isRaw = form !== password && (await is(password));
  if (stored === null || !(isNormal || isRaw)) return 'wrong';
  return isNormal ? 'right' : 'outdated';
}
