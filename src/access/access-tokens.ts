import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { LRUCache } from 'lru-cache';
import { Role } from '../../schemas/user.js';
import { now } from '../clock.js';
import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import { idPattern } from '../ids.js';
import type { Caller } from './caller.js';
import type { Revocations } from './revocations.js';

const ISSUER = 'scoreboard-api';
const AUDIENCE = 'scoreboard-api';
/** RFC 8725: the header is compared as a whole. No algorithm, key or critical extension is ever taken from the token. */
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
/** 43 digits hold two bits more than an HMAC-SHA256: were they not 0, one token would have four spellings. */
const BEARER = new RegExp(`^[Bb][Ee][Aa][Rr][Ee][Rr] +(${HEADER}\\.[\\w-]+\\.[\\w-]{42}[AEIMQUYcgkosw048])$`);

/** A user of a session, or a service account, which has none. */
const AccessClaims = Type.Union([
  Type.Object({
    sub: Type.String({ pattern: idPattern('usr') }),
    sid: Type.String({ pattern: idPattern('ses') }),
    role: Role,
  }),
  Type.Object({ sub: Type.String({ pattern: idPattern('svc') }), role: Role }),
]);
export type AccessClaims = Static<typeof AccessClaims>;
/** With the times that every token of ours has, in seconds. */
const VerifiedClaims = TypeCompiler.Compile(
  Type.Intersect([AccessClaims, Type.Object({ iat: Type.Number(), exp: Type.Number() })]),
);

/** How many callers are remembered by their tokens, in some 20 MB: more than play on one instance at a time. */
const REMEMBERED_CALLERS = 32_768;

/** Signs and verifies JWTs with one secret. */
interface Jwt {
  sign(
    claims: AccessClaims & { iat: number },
    options: { algorithm: 'HS256'; iss: string; aud: string; expiresIn: number },
  ): string;
  /** @throws Error with the code FAST_JWT_INVALID_SIGNATURE if another secret has signed it, or another code */
  verify(token: string): unknown;
}

interface AccessTokensOptions {
  readonly jwt: Jwt;
  /** Verifies what was signed before the secret was changed. */
  readonly previousJwt: Jwt | undefined;
  /** Of a token, in seconds. */
  readonly lifetime: number;
  readonly revocations: Revocations;
}

/** What fast-jwt verifies of an access token. It has another clock, so the times are verified here. */
export const ACCESS_TOKEN_RULES = {
  algorithms: ['HS256' as const],
  allowedIss: ISSUER,
  allowedAud: AUDIENCE,
  requiredClaims: ['iss', 'aud', 'sub', 'iat', 'exp'],
  checkTyp: 'JWT',
  ignoreExpiration: true,
};

/** Issues access tokens, and finds who sends one. */
export class AccessTokens {
  readonly #options: AccessTokensOptions;
  /** By valid tokens only, so that garbage does not push them out. `until` by the clock of the database. */
  readonly #callers = new LRUCache<string, { caller: Caller; until: number }>({ max: REMEMBERED_CALLERS });

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /** @param expiresIn in seconds; never longer than the lifetime */
  issue(claims: AccessClaims, expiresIn = this.#options.lifetime): { token: string; expiresIn: number } {
    const seconds = Math.min(expiresIn, this.#options.lifetime);
    const standard = { algorithm: 'HS256', iss: ISSUER, aud: AUDIENCE, expiresIn: seconds } as const;
    const iat = Math.floor(now() / 1000);
    return { token: this.#options.jwt.sign({ ...claims, iat }, standard), expiresIn: seconds };
  }

  /**
   * @param authorization the header of that name
   * @throws Problem `unauthenticated`, or what PostgreSQL fails with if it had to be asked what is revoked
   */
  async callerOf(authorization: string | undefined): Promise<Caller> {
    const [, token] = BEARER.exec(authorization ?? '') ?? [];
    if (token === undefined) throw unauthenticated('Send an access token as "Authorization: Bearer …".');
    const remembered = this.#callers.get(token);
    const isValid = remembered !== undefined && now() < remembered.until;
    const { caller, until } = isValid ? remembered : this.#verify(token);
    if (!isValid) this.#callers.set(token, { caller, until });
    const { id, sessionId } = caller;
    if (await this.#options.revocations.hasAny(sessionId === null ? [id] : [id, sessionId])) {
      throw unauthenticated(
        sessionId === null ? 'The service account is revoked.' : 'The session has ended.',
      );
    }
    return caller;
  }

  #verify(token: string): { caller: Caller; until: number } {
    let claims: unknown;
    try {
      claims = this.#claimsOf(token);
    } catch (error) {
      throw unauthenticated('The access token is not valid, or has expired.', error);
    }
    if (!VerifiedClaims.Check(claims))
      throw unauthenticated('The access token is not valid, or has expired.');
    const { sub: id, role, iat, exp } = claims;
    // Not after the lifetime, also when that was longer before: revocations are remembered no longer.
    const until = Math.min(exp, iat + this.#options.lifetime) * 1000;
    if (until <= now()) throw unauthenticated('The access token is not valid, or has expired.');
    const caller = { id, role, sessionId: 'sid' in claims ? claims.sid : null };
    return { caller, until };
  }

  #claimsOf(token: string): unknown {
    const { jwt, previousJwt } = this.#options;
    try {
      return jwt.verify(token);
    } catch (error) {
      if (errorCode(error) !== 'FAST_JWT_INVALID_SIGNATURE' || previousJwt === undefined) throw error;
      return previousJwt.verify(token);
    }
  }
}

const unauthenticated = (detail: string, cause?: unknown) =>
  new Problem('unauthenticated', detail, { cause });
