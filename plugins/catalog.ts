import fp from 'fastify-plugin';
import { Catalog } from '../src/catalog/catalog.js';
import type { AppConfig } from '../src/config.js';
import { Loop } from '../src/loop.js';

declare module 'fastify' {
  interface FastifyInstance {
    catalog: Catalog;
  }
}

/** The leaderboards and actions there are, kept current on every instance. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    const catalog = new Catalog(pool, app.instance, config.ACTION_TOKEN_TTL);
    const removals = new Loop(() => catalog.checkRemovals(), {
      onError: (error) => app.faults.database(error, 'reading the catalog'),
    });
    app.changes.listen({
      onChange: (change) => catalog.follow(change),
      onResync: () => {
        catalog.forgetAll();
        removals.request();
      },
    });
    app.addHook('onClose', () => removals.stop());
    app.decorate('catalog', catalog);
  },
  { name: 'catalog', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);
