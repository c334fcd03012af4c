import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { History } from '../src/ledger/history.js';

declare module 'fastify' {
  interface FastifyInstance {
    history: History;
  }
}

/** What is kept of boards of the past may take this part of the memory for boards. */
const SHARE = 1 / 2;

/** Boards as they were. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const history = new History({
      pool: app.pg.pool,
      maxBytes: SHARE * config.PROJECTION_MEMORY_MB * 2 ** 20,
    });
    app.changes.listen({
      onChange: (change) => history.receive(change),
      onResync: () => history.forget(),
    });
    app.decorate('history', history);
  },
  { name: 'history', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);
