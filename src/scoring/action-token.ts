import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { ActionId, Points, ServiceAccountId, TokenId, UserId } from '../../schemas/common.js';
import { now as databaseNow } from '../clock.js';
import { Hmac } from '../hmac.js';

export const ISSUER = 'scoreboard-api';
export const AUDIENCE = 'scoreboard-action';

/** How far the clock of a game server that signs tokens itself may be ahead, in seconds. */
const CLOCK_SKEW = 60;
/** Longer than any token of this format: garbage above it is refused without a hash over it. */
const MAX_LENGTH = 2_048;

/** A NumericDate of RFC 7519, in seconds; fractions are allowed. 253402300800 is the year 10,000. */
const Time = Type.Number({ minimum: 0, maximum: 253_402_300_800 });

const ActionTokenClaims = Type.Object({
  iss: Type.Literal(ISSUER),
  aud: Type.Literal(AUDIENCE),
  /** The player. */
  sub: UserId,
  /** Consumed at most once. */
  jti: TokenId,
  act: ActionId,
  /** Lowest and highest points, both allowed. */
  pts: Type.Tuple([Points, Points]),
  iat: Time,
  nbf: Time,
  exp: Time,
  /** The service account or `player` for whom the service has issued it. A token that was signed elsewhere may lack it. */
  azp: Type.Optional(Type.Unknown()),
});

/** The claims of an action token. Times are in seconds since the epoch. */
export type ActionTokenClaims = Static<typeof ActionTokenClaims>;

/** What signs action tokens, and the id by which score events name it. */
export interface SigningKey {
  readonly id: string;
  readonly hmac: Hmac;
}

export const signingKey = (secret: string): SigningKey => ({
  id: `key_${createHash('sha256').update(secret).digest('hex').slice(0, 8)}`,
  hmac: new Hmac(secret, MAX_LENGTH),
});

export type Verification =
  | {
      readonly result: 'valid' | 'expired' | 'premature';
      readonly claims: ActionTokenClaims;
      /** The id of the key that has signed it. */
      readonly key: string;
    }
  | { readonly result: 'invalid'; readonly reason: string };

// RFC 8725: the header is compared as a whole. No algorithm, key or critical extension is ever taken from the token.
const Header = Type.Object(
  { alg: Type.Literal('HS256'), typ: Type.Literal('action+jwt') },
  { additionalProperties: false },
);
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'action+jwt' })).toString('base64url');

const header = TypeCompiler.Compile(Header);
const claimsSchema = TypeCompiler.Compile(ActionTokenClaims);
const issuer = TypeCompiler.Compile(Type.Union([Type.Literal('player'), ServiceAccountId]));

/** Signs an action token: a JWT, HS256, of type `action+jwt`. A game server that holds the secret does the same. */
export function signActionToken(claims: ActionTokenClaims, { hmac }: SigningKey): string {
  const input = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${input}.${hmac.sign(input)}`;
}

/** The service account or `player` for whom the service has issued the token; null if it was signed elsewhere. */
export const issuedBy = ({ azp }: ActionTokenClaims): string | null => (issuer.Check(azp) ? azp : null);

/**
 * Checks an action token against the keys in force (the newest first). Without I/O: whether the token was consumed, only the
 * ledger knows.
 * @param maxLifetime the longest allowed time from `iat` to `exp`, in seconds
 * @param now seconds since the epoch
 */
export function verifyActionToken(
  token: string,
  keys: readonly SigningKey[],
  maxLifetime: number,
  now = databaseNow() / 1000,
): Verification {
  const invalid = (reason: string): Verification => ({ result: 'invalid', reason });
  if (token.length > MAX_LENGTH) return invalid('it is too long');
  const [head, body, signature, ...rest] = token.split('.');
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0) {
    return invalid('it is not a JWT');
  }
  const input = token.slice(0, head.length + 1 + body.length);
  const key = keys.find(({ hmac }) => hmac.verify(input, signature));
  if (key === undefined) return invalid('its signature is wrong');
  if (head !== HEADER && !header.Check(parse(head)))
    return invalid('its header is not {"alg":"HS256","typ":"action+jwt"}');
  const claims = parse(body);
  if (!claimsSchema.Check(claims)) {
    const path = claimsSchema.Errors(claims).First()?.path.slice(1) ?? '';
    return invalid(`its claim "${path}" is missing or wrong`);
  }
  const [min, max] = claims.pts;
  if (min > max) return invalid('its claim "pts" is not [min, max]');
  if (claims.iat > now + CLOCK_SKEW) return invalid('it was issued in the future');
  if (claims.exp - claims.iat > maxLifetime) return invalid(`it is valid for more than ${maxLifetime} s`);
  if (claims.exp <= now) return { result: 'expired', claims, key: key.id };
  // A token without a wait is not premature because the clock of its signer is ahead.
  const isPremature = claims.nbf > now && claims.nbf > claims.iat;
  return { result: isPremature ? 'premature' : 'valid', claims, key: key.id };
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
