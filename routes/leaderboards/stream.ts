import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { LeaderboardParams, StreamQuery } from '../../schemas/leaderboard.js';
import { Problem, problemResponses, userBanned } from '../../src/errors.js';
import { clientOf, networkOf } from '../../src/http/network.js';

const EXAMPLE = `retry: 2417

id: mic0s1aa4f21c0-7
event: snapshot
data: {"leaderboard":"global","season":1,"version":7,"total":1,"items":[{"rank":1,"userId":"usr_01kcx7f0w3e5tt9m6d7kq2x1zb","displayName":"Ada","score":30,"achievedAt":"2026-06-11T19:09:00.000Z"}]}

`;

const PATH = '/v1/leaderboards/:id/stream';
const request = { params: LeaderboardParams, querystring: StreamQuery };
/** fastify-sse-v2 sets the others itself. nginx would buffer a stream for ever, and send nothing. */
const UNBUFFERED = { 'x-accel-buffering': 'no' };
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache,no-transform',
  ...UNBUFFERED,
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  // Fastify's own HEAD would open a stream, and say that its length is 0.
  app.head(PATH, { schema: { hide: true, ...request } }, async ({ params }, reply) => {
    await app.leaderboards.board(params.id);
    return reply.headers(HEADERS).send();
  });

  app.get(
    PATH,
    {
      exposeHeadRoute: false,
      config: { isStream: true },
      schema: {
        operationId: 'streamLeaderboard',
        summary: 'The live stream',
        description:
          "Server-sent events: a `snapshot`, then a `leaderboard` event at each change of the requested entries; with `user`, also a `rank` event at each change of that user's entry. Every event carries the whole state, so a client that reconnects misses nothing. Use `curl -N` or an EventSource: the page /docs waits for the end of a response, and this one does not end.",
        tags: ['Leaderboards'],
        security: [],
        ...request,
        response: {
          200: {
            description: 'A stream that stays open.',
            content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } },
          },
          ...problemResponses('validation-failed', 'user-banned', 'not-found'),
        },
      },
    },
    async (request, reply) => {
      const board = await app.leaderboards.board(request.params.id);
      const { limit, user } = request.query;
      if (user !== undefined && (await app.bans.has(user))) throw userBanned();
      const slot = await app.hub.admit(networkOf(clientOf(request)));
      if (slot === null) {
        app.measured.streamsRefused.inc();
        throw new Problem('service-unavailable', 'Too many streams are open.', { retryAfter: 5 });
      }
      // fastify-sse-v2 does the handshake and hijacks the response; the hub writes its frames itself. The library's own queue
      // would never end, and take a third of a stream's memory, so it is destroyed.
      reply.raw.once('pipe', (queue) => queue.unpipe(reply.raw).destroy());
      reply.headers(UNBUFFERED).sse({ comment: '' });
      app.hub.subscribe(slot, { board, limit, ...(user && { userId: user }) }, reply.raw);
      return reply;
    },
  );
};

export default routes;
