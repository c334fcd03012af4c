import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answer } from '../schemas/common.js';
import {
  Leaderboard,
  LeaderboardParams,
  LeaderboardQuery,
  Leaderboards,
  LeaderboardsQuery,
} from '../schemas/leaderboard.js';
import { withEntries, withTotal } from '../src/catalog/with-entries.js';
import { problemResponses } from '../src/errors.js';
import { languagesOf, titleIn } from '../src/http/languages.js';
import { vary } from '../src/http/vary.js';

const common = { tags: ['Leaderboards'], security: [] };
const IN_A_LANGUAGE =
  'Where there are `titles`, `title` is that of the best language; `?locale=und` gives the title of no particular one.';

interface Asked extends Pick<FastifyRequest, 'headers'> {
  readonly query: { readonly locale?: string };
}

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/leaderboards',
    {
      schema: {
        ...common,
        operationId: 'listLeaderboards',
        summary: 'Leaderboards by id, page by page',
        description: `Without hidden leaderboards. ${IN_A_LANGUAGE}`,
        querystring: LeaderboardsQuery,
        response: { 200: answer(Leaderboards), ...problemResponses('validation-failed') },
      },
    },
    async ({ query, headers }, reply) => {
      const { items, nextCursor } = await app.cursors.page(
        'leaderboards',
        query,
        (limit, after) => app.catalog.leaderboards(limit, after),
        ({ id }) => id,
      );
      const titled = titledFor({ query, headers }, reply);
      return { items: (await withEntries(app.leaderboards, items)).map(titled), nextCursor };
    },
  );

  app.get(
    '/v1/leaderboards/:id',
    {
      schema: {
        ...common,
        operationId: 'getLeaderboard',
        summary: 'One leaderboard',
        description: IN_A_LANGUAGE,
        params: LeaderboardParams,
        querystring: LeaderboardQuery,
        response: { 200: answer(Leaderboard), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request, reply) => {
      const definition = await app.catalog.leaderboard(request.params.id);
      return titledFor(request, reply)(await withTotal(app.leaderboards, definition));
    },
  );
};

/** Gives leaderboards the title in the language of the caller. */
function titledFor(
  { query, headers }: Asked,
  reply: FastifyReply,
): (leaderboard: Leaderboard) => Leaderboard {
  const { locale } = query;
  if (locale === undefined) vary(reply, 'Accept-Language');
  const languages = languagesOf(locale, headers['accept-language']);
  return (leaderboard) =>
    leaderboard.titles ? { ...leaderboard, title: titleIn(leaderboard, languages) } : leaderboard;
}

export default routes;
