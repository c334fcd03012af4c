import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { LeaderboardParams } from '../../schemas/leaderboard.js';
import {
  Histogram,
  HistogramQuery,
  RankOf,
  RankOfQuery,
  ScoreAt,
  ScoreAtQuery,
} from '../../schemas/position.js';
import type { BoardKey } from '../../src/board-key.js';
import { invalid, Problem, problemResponses } from '../../src/errors.js';
import { percentileOf } from '../../src/leaderboard/percentile.js';

const common = { tags: ['Leaderboards'], security: [], params: LeaderboardParams };
const NOT_FOUND = ['validation-failed', 'not-found', 'season-not-found', 'season-purged'] as const;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/leaderboards/:id/rank-of',
    {
      schema: {
        ...common,
        operationId: 'getRankOf',
        summary: 'The rank that a score would have',
        querystring: RankOfQuery,
        response: { 200: answer(RankOf), ...problemResponses(...NOT_FOUND) },
      },
    },
    async ({ params: { id }, query: { season, score } }) => {
      const board = await app.seasons.board(id, season);
      return { ...nameOf(board), score, ...(await app.positions.rankOf(board, score)) };
    },
  );

  app.get(
    '/v1/leaderboards/:id/score-at',
    {
      schema: {
        ...common,
        operationId: 'getScoreAt',
        summary: 'The score at a rank or a percentile',
        description:
          'Send either `rank` or `percentile`. The score at a percentile is the lowest that is enough for it.',
        querystring: ScoreAtQuery,
        response: { 200: answer(ScoreAt), ...problemResponses(...NOT_FOUND) },
      },
    },
    async ({ params: { id }, query: { season, ...at } }) => {
      if ((at.rank === undefined) === (at.percentile === undefined))
        throw invalid('/', 'must name either rank or percentile');
      const board = await app.seasons.board(id, season);
      const found = await app.positions.entryAt(board, at);
      if (found === null) throw new Problem('not-found', `"${id}" has fewer entries.`);
      const { rank, score } = found.entry;
      const { total } = found;
      return { ...nameOf(board), total, rank, percentile: percentileOf(rank, total), score };
    },
  );

  app.get(
    '/v1/leaderboards/:id/histogram',
    {
      schema: {
        ...common,
        operationId: 'getHistogram',
        summary: 'How many entries have which scores',
        querystring: HistogramQuery,
        response: { 200: answer(Histogram), ...problemResponses(...NOT_FOUND) },
      },
    },
    async ({ params: { id }, query: { season, bins } }) => {
      const board = await app.seasons.board(id, season);
      return { ...nameOf(board), ...(await app.positions.histogram(board, bins)) };
    },
  );
};

const nameOf = ({ leaderboard, season }: BoardKey) => ({ leaderboard, season });

export default routes;
