import fp from 'fastify-plugin';
import { AuditLog } from '../src/audit.js';
import { Moderation } from '../src/moderation/moderation.js';
import { Undo } from '../src/moderation/undo.js';
import { UserDetails } from '../src/moderation/user-details.js';
import { type FoundUser, findUsers, type UserFilter } from '../src/moderation/user-search.js';
import { Reasons } from '../src/moderation/why.js';

declare module 'fastify' {
  interface FastifyInstance {
    moderation: Moderation;
    reasons: Reasons;
    auditLog: AuditLog;
    findUsers(filter: UserFilter, limit: number, after: string | null): Promise<FoundUser[]>;
    userDetails: UserDetails;
    undo: Undo;
  }
}

/** What administrators do about cheats. */
export default fp(
  async (app) => {
    app.decorate('reasons', new Reasons(app.pg.pool));
    app.decorate('auditLog', new AuditLog(app.pg.pool));
    const { pool } = app.pg;
    const { leaderboards, auditLog } = app;
    const moderation = new Moderation({
      pool,
      leaderboards,
      bans: app.bans,
      writer: app.instance,
      onError: (error) => app.faults.either(error, 'showing a correction'),
    });
    app.decorate('moderation', moderation);
    app.decorate('findUsers', (filter: UserFilter, limit: number, after: string | null) =>
      findUsers(pool, filter, limit, after),
    );
    app.decorate('undo', new Undo({ pool, moderation, catalog: app.catalog, writer: app.instance }));
    app.decorate('userDetails', new UserDetails({ pool, leaderboards, moderation, auditLog }));
  },
  { name: 'moderation', dependencies: ['db', 'auth', 'catalog', 'leaderboard'], fastify: '5.x' },
);
