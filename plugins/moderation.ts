import fp from 'fastify-plugin';
import { AuditLog } from '../src/audit.js';
import { Moderation } from '../src/moderation/moderation.js';
import { Reasons } from '../src/moderation/why.js';

declare module 'fastify' {
  interface FastifyInstance {
    moderation: Moderation;
    reasons: Reasons;
    auditLog: AuditLog;
  }
}

/** What administrators do about cheats. */
export default fp(
  async (app) => {
    app.decorate('reasons', new Reasons(app.pg.pool));
    app.decorate('auditLog', new AuditLog(app.pg.pool));
    app.decorate(
      'moderation',
      new Moderation({
        pool: app.pg.pool,
        leaderboards: app.leaderboards,
        bans: app.bans,
        writer: app.instance,
        onError: (error) => app.faults.either(error, 'showing a correction'),
      }),
    );
  },
  { name: 'moderation', dependencies: ['db', 'auth', 'leaderboard'], fastify: '5.x' },
);
