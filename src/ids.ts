import { randomFillSync } from 'node:crypto';
import { now } from './clock.js';

/**
 * TypeIDs (https://github.com/jetify-com/typeid, specification 0.3): `usr_01h455vb4pex5vsknk084sn02q` is a prefix and a
 * UUIDv7 in Crockford's base32, so ids sort by the time of their making, as text and as numbers alike.
 */
export type IdPrefix = 'usr' | 'ses' | 'evt' | 'tok' | 'svc' | 'adm' | 'aud' | 'chg' | 'whk' | 'msg' | 'imp';

const ALPHABET = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz', 'latin1');
const INVALID = 32;
const DIGITS = new Uint8Array(256).fill(INVALID);
for (const [digit, code] of ALPHABET.entries()) DIGITS[code] = digit;

const PREFIX_LENGTH = 4;
const ID_LENGTH = PREFIX_LENGTH + 26;

const entropy = new Uint32Array(512);
let entropyUsed = entropy.length;
const fresh = new Uint32Array(4);
let lastMs = 0;
let counter = 0;

/** A new id. Ids of one process only grow, even within a millisecond or when the clock is set back. */
export function newId(prefix: IdPrefix): string {
  const ms = now();
  if (ms > lastMs) {
    lastMs = ms;
    // 42 bits between version and tail; the top one starts at 0, so counting on never overflows.
    counter = (randomWord() >>> 21) * 2 ** 30 + (randomWord() >>> 2);
  } else {
    counter += 1;
  }
  fresh[0] = lastMs / 2 ** 16;
  fresh[1] = ((lastMs % 2 ** 16) << 16) | 0x7000 | (counter / 2 ** 30);
  fresh[2] = 0x8000_0000 | (counter % 2 ** 30);
  fresh[3] = randomWord();
  return idFromWords(prefix, fresh, 0);
}

/**
 * How far the time in an event's id may be from that of its acceptance, in milliseconds. Both are of the clock of the database,
 * but the id is made before the event waits and is written, and the clock may have been set.
 */
export const CLOCK_SLACK_MS = 600_000;

/** Not after any id of this time (in milliseconds since 1970) or later, and after all of earlier ones. */
export function firstIdAt(prefix: IdPrefix, ms: number): string {
  const time = Math.max(Math.floor(ms), 0);
  return idFromWords(prefix, Uint32Array.of(time / 2 ** 16, (time % 2 ** 16) << 16, 0, 0), 0);
}

/** Source of a regular expression that holds for exactly the ids with this prefix. */
export function idPattern(prefix: IdPrefix): string {
  return `^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`;
}

/**
 * Writes the 128 bits of an id to four words, the most significant first, and so in the order of the text.
 * False, with the words spoilt, if the text is not an id with this prefix.
 */
export function readIdWords(prefix: IdPrefix, id: string, words: Uint32Array, offset: number): boolean {
  if (id.length !== ID_LENGTH || !id.startsWith(prefix) || id[PREFIX_LENGTH - 1] !== '_') return false;
  let word = offset;
  let pending = 0;
  let bits = -2; // 26 digits hold 130 bits: the first two must be 0
  for (let at = PREFIX_LENGTH; at < ID_LENGTH; at++) {
    const digit = DIGITS[id.charCodeAt(at)] ?? INVALID;
    if (digit === INVALID || (at === PREFIX_LENGTH && digit > 7)) return false;
    bits += 5;
    if (bits < 32) {
      pending = (pending << 5) | digit;
    } else {
      bits -= 32;
      words[word++] = (pending << (5 - bits)) | (digit >>> bits);
      pending = digit; // its upper bits are written already; the shifts push them out
    }
  }
  return true;
}

const text = Buffer.alloc(ID_LENGTH, '_');

/** The id whose 128 bits are the four words from `offset`. */
export function idFromWords(prefix: IdPrefix, words: Uint32Array, offset: number): string {
  for (let i = 0; i < prefix.length; i++) text[i] = prefix.charCodeAt(i);
  for (let at = ID_LENGTH - 1, bit = 0; bit < 128; at--, bit += 5) {
    const word = offset + 3 - (bit >>> 5);
    const shift = bit & 31;
    let digit = (words[word] ?? 0) >>> shift;
    if (shift > 27 && word > offset) digit |= (words[word - 1] ?? 0) << (32 - shift);
    text[at] = ALPHABET[digit & 31] ?? 0;
  }
  return text.toString('latin1');
}

function randomWord(): number {
  if (entropyUsed === entropy.length) {
    randomFillSync(entropy);
    entropyUsed = 0;
  }
  return entropy[entropyUsed++] ?? 0;
}
