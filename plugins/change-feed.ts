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
    const instance = randomUUID();
    const changes = new ChangeFeed({
      databaseUrl: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
      instance,
      database: app.databaseProbe,
      onError: (error) => app.faults.database(error, 'listening to other instances'),
      onLost: (err) => app.log.error({ err }, 'Changes of other instances do not arrive'),
      onBack: () => app.log.info('Changes of other instances arrive again'),
    });
    app.decorate('instance', instance);
    app.decorate('changes', changes);
    app.addHook('onClose', () => changes.close());
    await changes.start();
    // What is prepared after this may block the loop for longer than a proof lasts.
    app.addHook('onReady', async () => void (await changes.becomesCurrent()));
  },
  { name: 'change-feed', dependencies: ['db'], fastify: '5.x' },
);
