import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { Role } from '../../schemas/user.js';
import { boundedCache } from '../bounded-cache.js';
import { now } from '../clock.js';
import { Problem } from '../errors.js';
import { Hmac } from '../hmac.js';
import { idPattern } from '../ids.js';
import type { Caller } from './caller.js';
import type { Revocations } from './revocations.js';
import { BUNDLES, scopesIn } from './scopes.js';

const ISSUER = 'scoreboard-api';
const AUDIENCE = 'scoreboard-api';
/** RFC 8725: the header is compared as a whole. No algorithm, key or critical extension is ever taken from the token. */
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
/** Of header and claims. Ours have some 300 characters. */
const MAX_LENGTH = 2_048;
const MAX_CLAIMS = MAX_LENGTH - HEADER.length - 1;
const BEARER = new RegExp(
  `^[Bb][Ee][Aa][Rr][Ee][Rr] +((${HEADER}\\.([\\w-]{1,${MAX_CLAIMS}}))\\.([\\w-]{43}))$`,
);

const ServiceAccount = { sub: Type.String({ pattern: idPattern('svc') }) };
/** A user of a session, or a service account, which has none: with a role, or with scopes of its own. */
const AccessClaims = Type.Union([
  Type.Object({
    sub: Type.String({ pattern: idPattern('usr') }),
    sid: Type.String({ pattern: idPattern('ses') }),
    role: Role,
  }),
  Type.Object({ ...ServiceAccount, role: Role }),
  Type.Object({ ...ServiceAccount, scope: Type.String() }),
]);
export type AccessClaims = Static<typeof AccessClaims>;
/** With what every token of ours says. Times are in seconds. */
const SignedClaims = TypeCompiler.Compile(
  Type.Intersect([
    AccessClaims,
    Type.Object({
      iss: Type.Literal(ISSUER),
      aud: Type.Literal(AUDIENCE),
      iat: Type.Number(),
      nbf: Type.Optional(Type.Number()),
      exp: Type.Number(),
    }),
  ]),
);

/** How many callers are remembered by their tokens, in some 20 MB: more than play on one instance at a time. */
const REMEMBERED_CALLERS = 32_768;

interface AccessTokensOptions {
  /** Signs with the first of the secrets. */
  readonly sign: (
    claims: AccessClaims & { iat: number },
    options: { algorithm: 'HS256'; iss: string; aud: string; expiresIn: number },
  ) => string;
  /** The newest first: what was signed with one before it is still taken. */
  readonly secrets: readonly string[];
  /** Of a token, in seconds. */
  readonly lifetime: number;
  readonly revocations: Revocations;
}

/** A token as it was sent, and its parts. */
interface Sent {
  readonly text: string;
  /** What its signature is of: header and claims. */
  readonly signed: string;
  readonly claims: string;
  readonly signature: string;
}

/** Issues access tokens, and finds who sends one. */
export class AccessTokens {
  readonly #options: AccessTokensOptions;
  readonly #keys: readonly Hmac[];
  /** By valid tokens only, so that garbage does not push them out. `until` by the clock of the database. */
  readonly #callers = boundedCache<string, { caller: Caller; until: number }>(REMEMBERED_CALLERS);

  constructor(options: AccessTokensOptions) {
    this.#options = options;
    this.#keys = options.secrets.map((secret) => new Hmac(secret, MAX_LENGTH));
  }

  /** @param expiresIn in seconds; never longer than the lifetime */
  issue(claims: AccessClaims, expiresIn = this.#options.lifetime): { token: string; expiresIn: number } {
    const seconds = Math.min(expiresIn, this.#options.lifetime);
    const standard = { algorithm: 'HS256', iss: ISSUER, aud: AUDIENCE, expiresIn: seconds } as const;
    const iat = Math.floor(now() / 1000);
    return { token: this.#options.sign({ ...claims, iat }, standard), expiresIn: seconds };
  }

  /**
   * @param authorization the header of that name
   * @throws Problem `unauthenticated`, or what PostgreSQL fails with if it had to be asked what is revoked
   */
  callerOf(authorization: string | undefined): Caller | Promise<Caller> {
    const [, text, signed, claims, signature] = BEARER.exec(authorization ?? '') ?? [];
    if (text === undefined || signed === undefined || claims === undefined || signature === undefined)
      throw unauthenticated('Send an access token as "Authorization: Bearer …".');
    const remembered = this.#callers.get(text);
    if (remembered !== undefined && now() < remembered.until) return this.#unlessRevoked(remembered.caller);
    const verified = this.#verify({ text, signed, claims, signature });
    this.#callers.set(text, verified);
    return this.#unlessRevoked(verified.caller);
  }

  #unlessRevoked(caller: Caller): Caller | Promise<Caller> {
    const { id, sessionId } = caller;
    const refuse = (isRevoked: boolean): Caller => {
      if (!isRevoked) return caller;
      throw unauthenticated(
        sessionId === null ? 'The service account is revoked.' : 'The session has ended.',
      );
    };
    const isRevoked = this.#options.revocations.hasAny(sessionId === null ? [id] : [id, sessionId]);
    return typeof isRevoked === 'boolean' ? refuse(isRevoked) : isRevoked.then(refuse);
  }

  #verify({ signed, claims: part, signature }: Sent): { caller: Caller; until: number } {
    const claims = this.#keys.some((key) => key.verify(signed, signature)) ? parse(part) : undefined;
    if (!SignedClaims.Check(claims)) throw notValid();
    const { sub: id, iat, nbf = 0, exp } = claims;
    // Not after the lifetime, also when that was longer before: revocations are remembered no longer.
    const until = Math.min(exp, iat + this.#options.lifetime) * 1000;
    if (until <= now() || nbf * 1000 > now()) throw notValid();
    const scopes = 'role' in claims ? BUNDLES[claims.role] : scopesIn(claims.scope);
    return { caller: { id, scopes, sessionId: 'sid' in claims ? claims.sid : null }, until };
  }
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}

const notValid = () => unauthenticated('The access token is not valid, or has expired.');

const unauthenticated = (detail: string) => new Problem('unauthenticated', detail);
