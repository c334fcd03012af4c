import fp from 'fastify-plugin';
import { Catalog } from '../src/catalog/catalog.js';
import type { AppConfig } from '../src/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    catalog: Catalog;
  }
}

/** The leaderboards and actions there are, kept current on every instance. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    const catalog = new Catalog(pool, app.instance, config.ACTION_TOKEN_TTL, app.changes);
    app.changes.listen({
      onChange: (change) => catalog.follow(change),
      onResync: () => {
        catalog.forgetAll();
        return catalog.checkRemovals();
      },
    });
    app.decorate('catalog', catalog);
  },
  { name: 'catalog', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);
