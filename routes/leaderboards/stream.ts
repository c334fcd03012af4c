import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { LeaderboardParams, StreamQuery } from '../../schemas/leaderboard.js';
import { problemResponses, userBanned } from '../../src/errors.js';
import { STREAM_HEADERS } from '../../src/http/stream-headers.js';
import type { Subscription } from '../../src/live/hub.js';

const EXAMPLE = `retry: 2417

id: mic0s1aa4f21c0-7
event: snapshot
data: {"leaderboard":"global","season":1,"seasonEndsAt":null,"version":7,"total":1,"now":"2026-06-11T19:09:00.120Z","items":[{"rank":1,"sharedRank":1,"userId":"usr_01kcx7f0w3e5tt9m6d7kq2x1zb","displayName":"Ada","score":30,"achievedAt":"2026-06-11T19:09:00.000Z"}]}

`;

const PATH = '/v1/leaderboards/:id/stream';
const request = { params: LeaderboardParams, querystring: StreamQuery };
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const watched = async (id: string, { limit, user }: StreamQuery): Promise<Subscription> => {
    const board = await app.leaderboards.board(id);
    if (user !== undefined && (await app.bans.has(user))) throw userBanned();
    return { board, limit, ...(user && { userId: user }) };
  };

  app.head(PATH, { schema: { hide: true, ...request } }, async ({ params, query }, reply) => {
    await watched(params.id, query);
    return reply.headers(STREAM_HEADERS).send();
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
          "Server-sent events: a `snapshot`, then a `leaderboard` event at each change of the requested entries; with `user`, also a `rank` event at each change of that user's entry. These carry the whole state, so a client that reconnects misses nothing. When a season begins, a `season` event `{leaderboard, season, previous, startsAt, endsAt, label, now}` comes before the entries of the new one, which are none yet; some seconds later `final` `{leaderboard, season, digest, items}` has the first ten of the one that has ended. `seasonEndsAt` is null while that is open, and `now` is the time of the service, so that a countdown needs no right clock. Use `curl -N` or an EventSource: the page /docs waits for the end of a response, and this one does not end.",
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
    async (request, reply) =>
      app.openStream(request, reply, [await watched(request.params.id, request.query)]),
  );
};

export default routes;
