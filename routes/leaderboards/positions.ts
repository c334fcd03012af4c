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
import type { Unit } from '../../schemas/unit.js';
import type { BoardKey } from '../../src/board-key.js';
import { invalid, Problem, problemResponses } from '../../src/errors.js';
import { formattedBy, writingFor } from '../../src/http/score-writing.js';
import { percentileOf } from '../../src/leaderboard/percentile.js';
import type { ReadableBoard } from '../../src/leaderboard/seasons.js';

const common = { tags: ['Leaderboards'], security: [], params: LeaderboardParams };
const NOT_FOUND = ['validation-failed', 'not-found', 'season-not-found', 'season-purged'] as const;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const unitOf = async (board: ReadableBoard): Promise<Unit | null> =>
    'unit' in board ? board.unit : ((await app.catalog.leaderboard(board.leaderboard)).unit ?? null);

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
    async (request, reply) => {
      const { season, score } = request.query;
      const board = await app.seasons.board(request.params.id, season);
      const writing = writingFor(await unitOf(board), request, reply);
      const ranks = await app.positions.rankOf(board, score);
      return { ...nameOf(board), score, ...formattedBy(writing, score), ...ranks };
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
    async (request, reply) => {
      const { id } = request.params;
      const { season, locale: _, ...at } = request.query;
      if ((at.rank === undefined) === (at.percentile === undefined))
        throw invalid('/', 'must name either rank or percentile');
      const board = await app.seasons.board(id, season);
      const found = await app.positions.entryAt(board, at);
      if (found === null) throw new Problem('not-found', `"${id}" has fewer entries.`);
      const { rank, sharedRank, score } = found.entry;
      const { total } = found;
      const written = formattedBy(writingFor(await unitOf(board), request, reply), score);
      const percentile = percentileOf(rank, total);
      return { ...nameOf(board), total, rank, sharedRank, percentile, score, ...written };
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
