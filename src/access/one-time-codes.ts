import { createHash, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { now } from '../clock.js';

const ISSUER = 'scoreboard-api';
const PERIOD_S = 30;
/** A code is taken one step early and late: clocks differ, and people type slowly. */
const WINDOW = 1;
const RECOVERY_CODES = 10;
/** Without digits and letters that look alike. */
const ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz';
const RECOVERY_CODE = /^([2-9a-hjkmnp-z]{5})-?([2-9a-hjkmnp-z]{5})$/;

/** As text, for an app that makes codes. */
export const newSecret = (): string => new Secret({ size: 20 }).base32;

const totp = (secret: string, label = '') =>
  new TOTP({
    issuer: ISSUER,
    label,
    algorithm: 'SHA1',
    digits: 6,
    period: PERIOD_S,
    secret: Secret.fromBase32(secret),
  });

/** `otpauth://totp/…`, which apps read as a QR code or by hand. */
export const uriOf = (secret: string, name: string): string => totp(secret, name).toString();

/** What proves that somebody has the secret or a recovery code; each counts once. */
export type Proof =
  | { readonly kind: 'code'; readonly step: number }
  | { readonly kind: 'recovery'; readonly hash: Buffer };

/** What a text proves, or null. Whether it was used before is not known here. A recovery code may be any that looks like one. */
export function proofOf(text: string, secret: string): Proof | null {
  const code = text.replaceAll(/\s/g, '').toLowerCase();
  const timestamp = now();
  const delta = /^\d{6}$/.test(code)
    ? totp(secret).validate({ token: code, timestamp, window: WINDOW })
    : null;
  if (delta !== null) return { kind: 'code', step: TOTP.counter({ period: PERIOD_S, timestamp }) + delta };
  const [, first, second] = RECOVERY_CODE.exec(code) ?? [];
  return first === undefined || second === undefined
    ? null
    : { kind: 'recovery', hash: hashOf(`${first}-${second}`) };
}

const hashOf = (recoveryCode: string): Buffer => createHash('sha256').update(recoveryCode).digest();

/** For when the app is lost. Only the hashes are stored. */
export function newRecoveryCodes(): { codes: string[]; hashes: Buffer[] } {
  const codes = Array.from({ length: RECOVERY_CODES }, () => `${letters(5)}-${letters(5)}`);
  return { codes, hashes: codes.map(hashOf) };
}

/** A byte that is too large would make some letters more likely than others. */
function letters(count: number): string {
  let text = '';
  while (text.length < count) {
    const [byte = 0] = randomBytes(1);
    if (byte < Math.floor(256 / ALPHABET.length) * ALPHABET.length) text += ALPHABET[byte % ALPHABET.length];
  }
  return text;
}
