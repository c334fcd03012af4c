import fp from 'fastify-plugin';
import { FastifySSEPlugin } from 'fastify-sse-v2';
import type { AppConfig } from '../src/config.js';
import { Hub } from '../src/live/hub.js';

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
  }
}

/** The live streams. They end before the server closes, which would otherwise wait for them without end. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    await app.register(FastifySSEPlugin, { retryDelay: false });
    const hub = new Hub({
      source: app.leaderboards.live,
      feed: app.changes,
      flushIntervalMs: config.SSE_FLUSH_INTERVAL_MS,
      pingIntervalMs: config.SSE_PING_INTERVAL,
      stallTimeoutMs: config.SSE_STALL_TIMEOUT_MS,
      slots: app.shared.slots,
      onError: (error) => app.faults.either(error, 'reading a live board'),
      onStreamEnd: (reason) => app.measured.streamsClosed.inc({ reason }),
    });
    app.boards.onChange((board) => hub.boardChanged(board));
    app.catalog.onRemoved((leaderboard) => hub.leaderboardRemoved(leaderboard));
    app.onScrape(() => {
      app.measured.streamsActive.set(hub.active);
      app.measured.streamsCapacity.set(config.SSE_MAX_CONNECTIONS);
    });
    app.decorate('hub', hub);
    app.addHook('preClose', async () => hub.close());
  },
  { name: 'sse-broadcaster', dependencies: ['leaderboard', 'metrics', 'shared-state'], fastify: '5.x' },
);
