import fp from 'fastify-plugin';
import { FastifySSEPlugin } from 'fastify-sse-v2';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';
import { clientOf, networkOf } from '../src/http/network.js';
import { problemFrame } from '../src/live/frames.js';
import { Hub, type Subscription } from '../src/live/hub.js';

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
    /**
     * Answers with a stream of these boards, and with what keeps others from being shown; null for a stream of one board.
     * @throws Problem `service-unavailable` if too many are open
     */
    openStream(
      request: FastifyRequest,
      reply: FastifyReply,
      boards: readonly Subscription[],
      problems?: readonly (readonly [leaderboard: string, problem: Problem])[] | null,
    ): Promise<FastifyReply>;
  }
}

/** nginx would buffer a stream for ever, and send nothing. */
const UNBUFFERED = { 'x-accel-buffering': 'no' };

/** The live streams. They end before the server closes, which would otherwise wait for them without end. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    await app.register(FastifySSEPlugin, { retryDelay: false });
    const hub = new Hub({
      source: { ...app.leaderboards.live, ...app.seasons.live },
      feed: app.changes,
      flushIntervalMs: config.SSE_FLUSH_INTERVAL_MS,
      pingIntervalMs: config.SSE_PING_INTERVAL,
      stallTimeoutMs: config.SSE_STALL_TIMEOUT_MS,
      slots: app.shared.slots,
      onError: (error) => app.faults.either(error, 'reading a live board'),
      onStreamEnd: (reason) => app.measured.streamsClosed.inc({ reason }),
    });
    app.boards.onChange((board) => hub.boardChanged(board));
    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'leaderboard') hub.leaderboardChanged(change.leaderboard);
        if (change.type === 'season-final') hub.seasonFinal(change.leaderboard, change.season);
      },
      onResync: () => hub.resync(),
    });
    app.catalog.onRemoved((leaderboard) => hub.leaderboardRemoved(leaderboard));
    app.bans.onBan((userId) => hub.userBanned(userId));
    app.onScrape(() => {
      app.measured.streamsActive.set(hub.active);
      app.measured.streamsCapacity.set(config.SSE_MAX_CONNECTIONS);
    });
    app.decorate('hub', hub);
    app.decorate('openStream', async (request, reply, boards, problems = null) => {
      const slot = await hub.admit(networkOf(clientOf(request)));
      if (slot === null) {
        app.measured.streamsRefused.inc();
        throw new Problem('service-unavailable', 'Too many streams are open.', { retryAfter: 5 });
      }
      // fastify-sse-v2 does the handshake and hijacks the response; the hub writes its frames itself. The library's own queue
      // would never end, and take a third of a stream's memory, so it is destroyed.
      reply.raw.once('pipe', (queue) => queue.unpipe(reply.raw).destroy());
      reply.headers(UNBUFFERED).sse({ comment: '' });
      hub.subscribe(
        slot,
        boards,
        reply.raw,
        problems?.map(([leaderboard, problem]) => problemFrame(leaderboard, problem)),
      );
      // A user may have been banned since the route asked. If PostgreSQL does not answer, bans are read when it does.
      for (const userId of new Set(boards.flatMap(({ userId }) => userId ?? []))) {
        const isBanned = await app.bans.has(userId).catch((error: unknown) => {
          app.faults.database(error, 'asking who is banned');
          return false;
        });
        if (isBanned) hub.userBanned(userId);
      }
      return reply;
    });
    app.addHook('preClose', async () => hub.close());
  },
  {
    name: 'sse-broadcaster',
    dependencies: ['change-feed', 'auth', 'leaderboard', 'metrics', 'shared-state'],
    fastify: '5.x',
  },
);
