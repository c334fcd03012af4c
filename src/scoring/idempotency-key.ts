import { createHash } from 'node:crypto';
import { idFromWords } from '../ids.js';

/**
 * What stands in the ledger for the token of a score that a game server counts without one: an id that is the same for the same
 * key of the same account. Such ids begin with the byte 0xff, have a partition of consumed_tokens to themselves, and never expire.
 */
export function tokenIdOfKey(accountId: string, key: string): string {
  const hash = createHash('sha256').update(`${accountId} ${key}`).digest();
  hash[0] = 0xff;
  const words = Uint32Array.of(
    hash.readUInt32BE(0),
    hash.readUInt32BE(4),
    hash.readUInt32BE(8),
    hash.readUInt32BE(12),
  );
  return idFromWords('tok', words, 0);
}
