import { randomUUID } from 'node:crypto';
import fp from 'fastify-plugin';
import { ChangeFeed } from '../src/changes/change-feed.js';
import type { AppConfig } from '../src/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    changes: ChangeFeed;
    /** Names this process among the instances. */
    instance: string;
  }
}

/** Changes of other instances. Connected before anything is read that changes keep current. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const changes = new ChangeFeed(config.DATABASE_DIRECT_URL ?? config.DATABASE_URL, (error) =>
      app.faults.database(error, 'listening to other instances'),
    );
    app.decorate('instance', randomUUID());
    app.decorate('changes', changes);
    app.addHook('onClose', () => changes.close());
    await changes.start();
  },
  { name: 'change-feed', dependencies: ['db'], fastify: '5.x' },
);
