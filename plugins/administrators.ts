import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AdminSession } from '../schemas/administrator.js';
import { AdminSessions, purgeAdminSessions } from '../src/access/admin-sessions.js';
import { LoginAttempts } from '../src/access/login-attempts.js';
import { resealAdministrators } from '../src/access/reseal-administrators.js';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';
import { requireCsrfToken, requireSameOrigin, tokenIn } from '../src/http/admin-cookie.js';
import type { Queryable } from '../src/postgres/database.js';
import { Seal, type Unreadable } from '../src/sealing.js';

declare module 'fastify' {
  interface FastifyInstance {
    adminSessions: AdminSessions;
    /**
     * The session of the cookie of a request, which a page of the service itself has sent. Counted.
     * @param isRead whether to do without the CSRF token: only for what tells it
     * @throws Problem `unauthenticated`, `forbidden`
     */
    adminSession(request: FastifyRequest, reply: FastifyReply, isRead?: boolean): Promise<AdminSession>;
    administratorPurges: readonly ((client: Queryable, limit: number) => Promise<boolean>)[];
  }
}

/** Finds who calls among the people who administer: in a cookie, with a token that only pages of the service can read. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const seal = new Seal('administrator', config.JWT_SECRET, config.JWT_SECRET_PREVIOUS);
    const attempts = new LoginAttempts(app.rateCounters, app.shared.tries);
    const onUnreadable = (err: Unreadable) => app.log.error({ err }, 'Administrator cannot be read');
    const sessions = new AdminSessions({ pool: app.pg.pool, seal, attempts, onUnreadable });
    app.decorate('adminSessions', sessions);
    app.decorate(
      'adminSession',
      async (request: FastifyRequest, reply: FastifyReply, isRead = false): Promise<AdminSession> => {
        await app.countRequest(request, reply);
        const token = request.headers.authorization === undefined ? tokenIn(request) : undefined;
        if (token === undefined) throw new Problem('unauthenticated', 'Log in first.');
        requireSameOrigin(request);
        const session = await sessions.find(token);
        if (session === null) throw new Problem('unauthenticated', 'The session has ended: log in again.');
        if (!isRead) requireCsrfToken(request, session.csrfToken);
        return session;
      },
    );
    app.decorate('administratorPurges', [purgeAdminSessions, resealAdministrators(seal, onUnreadable)]);
  },
  { name: 'administrators', dependencies: ['db', 'rate-limit'], fastify: '5.x' },
);
