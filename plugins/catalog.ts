import fp from 'fastify-plugin';
import { Catalog } from '../src/catalog/catalog.js';
import { Usage } from '../src/catalog/usage.js';
import type { AppConfig } from '../src/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    catalog: Catalog;
    usage: Usage;
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
    app.decorate('usage', new Usage(app.replica));
  },
  { name: 'catalog', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);
