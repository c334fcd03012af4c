import { createHmac } from 'node:crypto';
import { newId } from '../src/ids.js';
import {
  type ActionTokenClaims,
  AUDIENCE,
  ISSUER,
  signActionToken,
  signingKey,
} from '../src/scoring/action-token.js';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

/**
 * A JWT signed with HMAC, made from the description of the format alone: nothing of src/ is used, so that tests of the
 * verifier do not share its mistakes. Header and payload are taken as they are, however wrong they may be.
 */
export function jwt(header: unknown, payload: unknown, secret: string, hash = 'sha256'): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
}

/** An access token as the service signs it, valid for `lifetime` seconds from now. */
export function accessToken(
  claims: { sub: string; role: 'player' | 'server' | 'admin'; sid?: string },
  secret: string,
  lifetime: number,
): string {
  const iat = now();
  const payload = { iss: 'scoreboard-api', aud: 'scoreboard-api', ...claims, iat, exp: iat + lifetime };
  return jwt({ alg: 'HS256', typ: 'JWT' }, payload, secret);
}

/** An action token as a game server signs it, valid for `lifetime` seconds from now. */
export function actionToken(
  claims: Pick<ActionTokenClaims, 'sub' | 'act' | 'pts'> & Partial<ActionTokenClaims>,
  secret: string,
  lifetime: number,
): string {
  const iat = now();
  const times = { iat, nbf: iat, exp: iat + lifetime };
  return signActionToken(
    { iss: ISSUER, aud: AUDIENCE, jti: newId('tok'), ...times, ...claims },
    signingKey(secret),
  );
}
