import fp from 'fastify-plugin';
import { Catalog } from '../src/catalog/catalog.js';
import type { AppConfig } from '../src/config.js';
import { retry } from '../src/retry.js';

declare module 'fastify' {
  interface FastifyInstance {
    catalog: Catalog;
  }
}

/** The leaderboards and actions there are, kept current on every instance. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const catalog = new Catalog(app.pg.pool);
    const closed = new AbortController();
    const reload = () =>
      retry(
        () => catalog.load(),
        closed.signal,
        (error) => app.faults.database(error, 'reading the catalog'),
      );
    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'catalog') void reload();
      },
      onResync: () => void reload(),
    });
    app.addHook('onClose', async () => closed.abort());
    if (!config.production) await catalog.seedDemoActions();
    await catalog.load();
    app.decorate('catalog', catalog);
  },
  { name: 'catalog', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);
