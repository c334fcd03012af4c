import jwt from '@fastify/jwt';
import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import type { Session } from '../schemas/session.js';
import { Role, type User } from '../schemas/user.js';
import { LoginAttempts } from '../src/access/login-attempts.js';
import { Revocations } from '../src/access/revocations.js';
import { type ServiceAccount, ServiceAccounts } from '../src/access/service-accounts.js';
import { type OpenSession, Sessions } from '../src/access/sessions.js';
import { type Credentials, Users } from '../src/access/users.js';
import type { AppConfig } from '../src/config.js';
import { errorCode } from '../src/error-code.js';
import { Problem } from '../src/errors.js';
import { idPattern } from '../src/ids.js';
import { retry } from '../src/retry.js';

const ISSUER = 'scoreboard-api';
const AUDIENCE = 'scoreboard-api';
/** RFC 8725: the header is compared as a whole. No algorithm, key or critical extension is ever taken from the token. */
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
/** 43 digits hold two bits more than an HMAC-SHA256: were they not 0, one token would have four spellings. */
const BEARER = new RegExp(`^[Bb][Ee][Aa][Rr][Ee][Rr] +(${HEADER}\\.[\\w-]+\\.[\\w-]{42}[AEIMQUYcgkosw048])$`);

/** A user of a session, or a service account, which has none. */
const Claims = Type.Union([
  Type.Object({
    sub: Type.String({ pattern: idPattern('usr') }),
    sid: Type.String({ pattern: idPattern('ses') }),
    role: Role,
  }),
  Type.Object({ sub: Type.String({ pattern: idPattern('svc') }), role: Role }),
]);
type Claims = Static<typeof Claims>;
/** With the times that every token of ours has, in seconds. */
const Verified = Type.Intersect([Claims, Type.Object({ iat: Type.Number(), exp: Type.Number() })]);

/** So many callers are known by their tokens, for some 20 MB: more than play at a time on one instance. */
const CALLERS_KNOWN = 32_768;

/** Who asks. */
export interface Caller {
  readonly id: string;
  readonly role: Role;
  /** Null for a service account. */
  readonly sessionId: string | null;
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: Claims;
    user: Caller;
  }
  interface JWT {
    /** Verifies with JWT_SECRET_PREVIOUS, where there is one. */
    previous?: JWT;
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    users: Users;
    sessions: Sessions;
    serviceAccounts: ServiceAccounts;
    /** Lets a request pass if it has a good access token, and sets `request.user`. Counted either way. For `onRequest`. */
    authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void>;
    /** Then lets it pass only if the caller has one of these roles. */
    requireRole(...roles: Role[]): (request: FastifyRequest) => Promise<void>;
    /** Then lets it pass only if the caller is a user. */
    requireUser(request: FastifyRequest): Promise<void>;
    /**
     * Opens a session for who knows the password.
     * @throws Problem `invalid-credentials`, or `rate-limited` if there were too many tries for this account
     */
    logIn(credentials: Credentials, network: string): Promise<Session>;
    /** Opens a session for a user whose identity is established. */
    openSession(user: User): Promise<Session>;
    /** @throws Problem `refresh-token-invalid`, `refresh-token-reused` */
    refreshSession(refreshToken: string): Promise<Session>;
    /** An access token for a service account, and for how many seconds it is good. */
    signServiceToken(account: ServiceAccount): { token: string; expiresIn: number };
  }
}

/** Who calls: access tokens, sessions, users. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    // Without its cache, which would keep what it has refused: ten thousand forged tokens are hundreds of megabytes.
    const rules = {
      algorithms: ['HS256' as const],
      allowedIss: ISSUER,
      allowedAud: AUDIENCE,
      requiredClaims: ['iss', 'aud', 'sub', 'iat', 'exp'],
      checkTyp: 'JWT',
      // Also when JWT_EXPIRY was longer before: revocations are remembered no longer than this.
      maxAge: config.JWT_EXPIRY,
    };
    await app.register(jwt, { secret: config.JWT_SECRET, verify: rules });
    if (config.JWT_SECRET_PREVIOUS !== undefined) {
      await app.register(jwt, { secret: config.JWT_SECRET_PREVIOUS, verify: rules, namespace: 'previous' });
    }
    const closed = new AbortController();
    const claims = TypeCompiler.Compile(Verified);
    /** By tokens that were found good; what was refused is not kept. `until` in milliseconds. */
    const known = new LRUCache<string, { caller: Caller; until: number }>({ max: CALLERS_KNOWN });
    const users = new Users(pool, app.instance, app.replica);
    const serviceAccounts = new ServiceAccounts(pool);
    const attempts = new LoginAttempts(app.rateCounters);
    const revocations = new Revocations(config.JWT_EXPIRY);
    const sessions = new Sessions({
      pool,
      lifetime: config.REFRESH_TOKEN_TTL,
      revocations,
      writer: app.instance,
    });
    const load = async (): Promise<void> => {
      await sessions.load();
      for (const id of await serviceAccounts.revokedWithin(revocations.lifetime)) revocations.remember(id);
    };
    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'session-revoked') revocations.remember(change.sessionId);
        if (change.type === 'service-account-revoked') revocations.remember(change.accountId);
      },
      onResync: () =>
        void retry(load, closed.signal, (error) => app.faults.database(error, 'reading what was revoked')),
    });
    app.addHook('onClose', async () => closed.abort());
    await load();

    /** The claims of a token that one of our secrets has signed. Whatever is wrong with it, fast-jwt throws. */
    const verified = (token: string): unknown => {
      try {
        return app.jwt.verify(token);
      } catch (error) {
        if (errorCode(error) !== 'FAST_JWT_INVALID_SIGNATURE' || app.jwt.previous === undefined) throw error;
        return app.jwt.previous.verify(token);
      }
    };

    const sign = (payload: Claims, expiresIn: number): string =>
      app.jwt.sign(payload, { algorithm: 'HS256', iss: ISSUER, aud: AUDIENCE, expiresIn });

    const sessionBody = (user: User, { sessionId, refreshToken, expiresAt }: OpenSession): Session => {
      const refreshExpiresIn = Math.max(1, Math.floor((expiresAt - Date.now()) / 1000));
      // An access token never outlives its session.
      const expiresIn = Math.min(config.JWT_EXPIRY, refreshExpiresIn);
      return {
        user,
        accessToken: sign({ sub: user.id, sid: sessionId, role: user.role }, expiresIn),
        tokenType: 'Bearer',
        expiresIn,
        refreshToken,
        refreshExpiresIn,
      };
    };

    app.decorate('users', users);
    app.decorate('sessions', sessions);
    app.decorate('serviceAccounts', serviceAccounts);
    app.decorate('logIn', async (credentials: Credentials, network: string) => {
      await attempts.begin(credentials.username, network);
      const user = await users.authenticate(credentials);
      if (user === null) throw new Problem('invalid-credentials', 'Unknown username or wrong password.');
      await attempts.succeeded(credentials.username, network);
      return app.openSession(user);
    });
    app.decorate('openSession', async (user: User) => sessionBody(user, await sessions.open(user.id)));
    app.decorate('refreshSession', async (refreshToken: string) => {
      const session = await sessions.refresh(refreshToken);
      const user = await users.find(session.userId);
      // Erased since: its sessions are about to be revoked.
      if (user === null)
        throw new Problem('refresh-token-invalid', 'The user of this refresh token is erased.');
      return sessionBody(user, session);
    });
    app.decorate('signServiceToken', ({ id, role }: ServiceAccount) => {
      return { token: sign({ sub: id, role }, config.JWT_EXPIRY), expiresIn: config.JWT_EXPIRY };
    });
    /** @throws Problem `unauthenticated` */
    const verify = (token: string): { caller: Caller; until: number } => {
      let payload: unknown;
      try {
        payload = verified(token);
      } catch (error) {
        throw unauthenticated('The access token is not valid, or has expired.', error);
      }
      if (!claims.Check(payload)) throw unauthenticated('The access token is not valid, or has expired.');
      const { sub: id, role, iat, exp } = payload;
      const caller = { id, role, sessionId: 'sid' in payload ? payload.sid : null };
      return { caller, until: Math.min(exp, iat + config.JWT_EXPIRY) * 1000 };
    };
    /** @throws Problem `unauthenticated` */
    const callerOf = ({ headers }: FastifyRequest): Caller => {
      const [, token] = BEARER.exec(headers.authorization ?? '') ?? [];
      if (token === undefined) throw unauthenticated('Send an access token as "Authorization: Bearer …".');
      const remembered = known.get(token);
      const isGood = remembered !== undefined && Date.now() <= remembered.until;
      const found = isGood ? remembered : verify(token);
      if (!isGood) known.set(token, found);
      const { id, sessionId } = found.caller;
      if (revocations.has(sessionId ?? id)) {
        throw unauthenticated(
          sessionId === null ? 'The service account is revoked.' : 'The session is over.',
        );
      }
      return found.caller;
    };
    app.decorate('authenticate', async (request: FastifyRequest, reply: FastifyReply) => {
      try {
        request.user = callerOf(request);
      } finally {
        // Who cannot say who it is, is counted too, by its address.
        await app.countRequest(request, reply);
      }
    });
    app.decorate('requireRole', (...roles: Role[]) => async (request: FastifyRequest) => {
      if (!roles.includes(request.user.role))
        throw new Problem('forbidden', `This needs the role ${roles.join(' or ')}.`);
    });
    app.decorate('requireUser', async (request: FastifyRequest) => {
      if (request.user.sessionId === null) throw new Problem('forbidden', 'A service account is not a user.');
    });
  },
  { name: 'auth', dependencies: ['db', 'change-feed', 'rate-limit'], fastify: '5.x' },
);

const unauthenticated = (detail: string, cause?: unknown) =>
  new Problem('unauthenticated', detail, { cause });
