import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answer, UserId } from '../../schemas/common.js';
import {
  AroundQuery,
  Entries,
  EntriesQuery,
  EntryDetails,
  EntryParams,
  FriendEntries,
  FriendsQuery,
  LeaderboardParams,
} from '../../schemas/leaderboard.js';
import { invalid, Problem, problemResponses } from '../../src/errors.js';
import type { BoardState } from '../../src/live/board-source.js';

const MAX_FRIENDS = 100;
const USER_ID = new RegExp(UserId.pattern ?? '');

const common = { tags: ['Leaderboards'], security: [] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  /** Of states that are asked for again and again as they are. */
  const bodies = new WeakMap<BoardState, Entries>();
  const bodyOf = (state: BoardState): Entries => {
    const known = bodies.get(state);
    if (known !== undefined) return known;
    const { epoch: _, ...body } = state;
    const last = body.items.at(-1);
    const more = last !== undefined && last.rank < body.total;
    const nextCursor = more
      ? app.cursors.encode({
          leaderboard: body.leaderboard,
          season: body.season,
          userId: last.userId,
          score: last.score,
          achievedAt: Date.parse(last.achievedAt),
        })
      : null;
    const made = { nextCursor, ...body };
    bodies.set(state, made);
    return made;
  };

  const noEntry = (id: string) => new Problem('not-found', `This user has no entry on "${id}".`);

  app.get(
    '/v1/leaderboards/:id/entries',
    {
      schema: {
        ...common,
        summary: 'The ranking, page by page',
        description: 'Answers 304 without a body if `If-None-Match` names the state that is still current.',
        params: LeaderboardParams,
        querystring: EntriesQuery,
        response: {
          200: answer(Entries),
          304: { type: 'null', description: 'Nothing has changed.' },
          ...problemResponses('validation-failed', 'not-found'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { limit, cursor } = request.query;
      const { season } = app.catalog.leaderboard(id);
      const after = cursor === undefined ? undefined : app.cursors.entryCursor(cursor, id, season);
      const state = await app.leaderboards.page(id, limit, after);
      if (isCurrent(state, request, reply)) return reply.code(304).send();
      return bodyOf(state);
    },
  );

  app.get(
    '/v1/leaderboards/:id/entries/batch',
    {
      schema: {
        ...common,
        summary: 'A list of friends',
        description:
          'Those of the users who have an entry, each with its global rank and its position in this list.',
        params: LeaderboardParams,
        querystring: FriendsQuery,
        response: { 200: answer(FriendEntries), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request) => {
      const userIds = request.query.userIds.split(',');
      if (userIds.length > MAX_FRIENDS)
        throw invalid('/querystring/userIds', `must not name more than ${MAX_FRIENDS} users`);
      if (!userIds.every((userId) => USER_ID.test(userId))) {
        throw invalid('/querystring/userIds', 'must be user ids with commas between them');
      }
      const { epoch: _, ...state } = await app.leaderboards.many(request.params.id, userIds);
      return {
        ...state,
        items: state.items.map((entry, i) => ({ ...entry, position: i + 1 })),
        nextCursor: null,
      };
    },
  );

  app.get(
    '/v1/leaderboards/:id/entries/:userId',
    {
      schema: {
        ...common,
        summary: 'Where one user stands',
        params: EntryParams,
        response: { 200: answer(EntryDetails), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request): Promise<EntryDetails> => {
      const { id, userId } = request.params;
      const found = await app.leaderboards.entry(id, userId);
      if (found === null) throw noEntry(id);
      const { entry, total, scoreAbove } = found;
      return {
        ...entry,
        total,
        percentile: Math.round((1 - (entry.rank - 1) / total) * 10_000) / 100,
        // Of equal scores the one reached first stands higher: drawing level is not enough.
        pointsToNextRank: scoreAbove === null ? null : Math.abs(scoreAbove - entry.score) + 1,
      };
    },
  );

  app.get(
    '/v1/leaderboards/:id/entries/:userId/around',
    {
      schema: {
        ...common,
        summary: 'The neighbours of one user',
        params: EntryParams,
        querystring: AroundQuery,
        response: { 200: answer(Entries), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request) => {
      const { id, userId } = request.params;
      const state = await app.leaderboards.around(id, userId, request.query.radius);
      if (state === null) throw noEntry(id);
      const { epoch: _, ...body } = state;
      return { ...body, nextCursor: null };
    },
  );
};

/** Sets the validators of a state, and tells whether it is the one that the caller has. */
function isCurrent({ epoch, version }: BoardState, request: FastifyRequest, reply: FastifyReply): boolean {
  const etag = `"${epoch}-${version}"`;
  reply.header('etag', etag).header('cache-control', 'no-cache');
  const known = request.headers['if-none-match'];
  if (known === undefined) return false;
  return known.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
}

export default routes;
