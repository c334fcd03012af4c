import { setTimeout as delay } from 'node:timers/promises';
import fp from 'fastify-plugin';
import { Catalog } from '../src/catalog/catalog.js';
import type { AppConfig } from '../src/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    catalog: Catalog;
  }
}

const RETRY_MS = 1_000;

/** The leaderboards and actions there are, kept current on every instance. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const catalog = new Catalog(app.pg.pool);
    const closed = new AbortController();
    const reload = async (): Promise<void> => {
      while (!closed.signal.aborted) {
        try {
          return await catalog.load();
        } catch (error) {
          app.log.error({ err: error }, 'Database error: the catalog could not be read');
          await delay(RETRY_MS, undefined, { signal: closed.signal }).catch(() => {});
        }
      }
    };
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
