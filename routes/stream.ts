import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { StreamsQuery } from '../schemas/leaderboard.js';
import { isOurFault, Problem, problemResponses, userBanned } from '../src/errors.js';
import { STREAM_HEADERS } from '../src/http/stream-headers.js';
import type { Subscription } from '../src/live/hub.js';

const EXAMPLE = `retry: 2417

event: problem
data: {"leaderboard":"fastest-lap","status":404,"code":"not-found","detail":"There is no leaderboard \\"fastest-lap\\"."}

id: mic0s1aa4f21c0-7
event: snapshot
data: {"leaderboard":"global","season":1,"seasonEndsAt":null,"version":7,"total":0,"now":"2026-06-11T19:09:00.120Z","items":[]}

`;

const PATH = '/v1/stream';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.head(PATH, { schema: { hide: true, querystring: StreamsQuery } }, async (_request, reply) =>
    reply.headers(STREAM_HEADERS).send(),
  );

  app.get(
    PATH,
    {
      exposeHeadRoute: false,
      config: { isStream: true },
      schema: {
        operationId: 'streamLeaderboards',
        summary: 'The live stream of several leaderboards',
        description:
          'The events of the streams of these leaderboards, on one connection: a browser opens only six to a server. Each event names its `leaderboard`. Instead of one that cannot be shown there is a `problem` event, with the fields of a problem document.',
        tags: ['Leaderboards'],
        security: [],
        querystring: StreamsQuery,
        response: {
          200: {
            description: 'A stream that stays open.',
            content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } },
          },
          ...problemResponses('validation-failed'),
        },
      },
    },
    async (request, reply) => {
      const watched = request.query.boards.split(',').map((one) => one.split(':'));
      const subscriptions: Subscription[] = [];
      const problems: [leaderboard: string, problem: Problem][] = [];
      for (const [leaderboard = '', limit = '10', userId] of watched) {
        try {
          const board = await app.leaderboards.board(leaderboard);
          if (userId !== undefined && (await app.bans.has(userId))) throw userBanned();
          subscriptions.push({ board, limit: Number(limit), userId });
        } catch (error) {
          if (!(error instanceof Problem) || isOurFault(error)) throw error;
          problems.push([leaderboard, error]);
        }
      }
      return app.openStream(request, reply, subscriptions, problems);
    },
  );
};

export default routes;
