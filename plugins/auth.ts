import jwt from '@fastify/jwt';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type AccessClaims, AccessTokens } from '../src/access/access-tokens.js';
import { Bans } from '../src/access/bans.js';
import type { Caller } from '../src/access/caller.js';
import { LoginAttempts } from '../src/access/login-attempts.js';
import { Logins } from '../src/access/logins.js';
import { Revocations } from '../src/access/revocations.js';
import { ServiceAccounts } from '../src/access/service-accounts.js';
import { Sessions } from '../src/access/sessions.js';
import { Users } from '../src/access/users.js';
import type { AppConfig } from '../src/config.js';

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: AccessClaims;
    user: Caller;
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    users: Users;
    sessions: Sessions;
    revocations: Revocations;
    bans: Bans;
    serviceAccounts: ServiceAccounts;
    accessTokens: AccessTokens;
    logins: Logins;
    /** Lets a request pass if it has a valid access token, and sets `request.user`. Counted either way. For `onRequest`. */
    authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  }
}

/** Finds who calls: users with their sessions, and service accounts. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    const { JWT_EXPIRY, JWT_SECRET, JWT_SECRET_PREVIOUS, REFRESH_TOKEN_TTL } = config;
    await app.register(jwt, { secret: JWT_SECRET });

    const revocations = new Revocations(JWT_EXPIRY, pool, app.changes);
    app.decorate('revocations', revocations);
    const bans = new Bans(pool, app.changes);
    app.decorate('bans', bans);

    const users = new Users(pool, app.instance, app.replica);
    app.decorate('users', users);
    const sessions = new Sessions({
      pool,
      lifetime: REFRESH_TOKEN_TTL,
      revocations,
      secret: JWT_SECRET,
      previousSecret: JWT_SECRET_PREVIOUS,
      writer: app.instance,
    });
    app.decorate('sessions', sessions);
    const serviceAccounts = new ServiceAccounts(pool);
    app.decorate('serviceAccounts', serviceAccounts);

    const accessTokens = new AccessTokens({
      sign: (claims, options) => app.jwt.sign(claims, options),
      secrets: JWT_SECRET_PREVIOUS === undefined ? [JWT_SECRET] : [JWT_SECRET, JWT_SECRET_PREVIOUS],
      lifetime: JWT_EXPIRY,
      revocations,
    });
    app.decorate('accessTokens', accessTokens);
    const attempts = new LoginAttempts(app.rateCounters, app.shared.tries);
    app.decorate('logins', new Logins({ users, sessions, attempts, accessTokens }));
    app.decorate('authenticate', async (request: FastifyRequest, reply: FastifyReply) => {
      try {
        const caller = await accessTokens.callerOf(request.headers.authorization);
        request.user = caller;
        // Nobody waits for it.
        if (caller.id.startsWith('svc_'))
          serviceAccounts
            .noteUse(caller.id)
            .catch((error) => app.faults.database(error, 'noting the use of a service account'));
      } finally {
        // A request without a valid token is counted too, by its address.
        await app.countRequest(request, reply);
      }
    });

    const load = async () => {
      await revocations.load();
      await bans.load();
    };
    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'session-revoked') revocations.remember(change.sessionId);
        if (change.type === 'user-banned') bans.hear(change.userId, change.banned);
        if (change.type === 'user-erased') revocations.remember(change.userId);
        if (change.type === 'service-account-revoked') revocations.remember(change.accountId);
      },
      onResync: load,
    });
    await load();
  },
  { name: 'auth', dependencies: ['db', 'change-feed', 'rate-limit'], fastify: '5.x' },
);
