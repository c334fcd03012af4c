import { crc32 } from 'node:zlib';
import type { FastifyPluginAsyncTypebox, Static } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answer } from '../../schemas/common.js';
import {
  AroundQuery,
  Entries,
  EntriesQuery,
  EntryDetails,
  EntryParams,
  EntryQuery,
  FriendEntries,
  FriendsQuery,
  LeaderboardParams,
} from '../../schemas/leaderboard.js';
import { Problem, problemResponses, SEASON_GONE } from '../../src/errors.js';
import type { BoardState } from '../../src/leaderboard/board-state.js';

const common = { tags: ['Leaderboards'], security: [] };
const NOT_FOUND = ['validation-failed', 'not-found', 'season-not-found', 'season-purged'] as const;

/** A final season changes no more: whoever has a page of it need not ask again. */
const FOR_EVER = 'public, max-age=31536000, immutable';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  /** Answers with states that are asked for again and again as they are. */
  const pages = new WeakMap<BoardState, EntriesPage>();
  const pageOf = (state: BoardState, reply: FastifyReply): EntriesPage => {
    const last = state.items.at(-1);
    const isLast = last === undefined || last.rank >= state.total;
    const nextCursor = isLast
      ? null
      : app.cursors.encode({
          board: state.board.text,
          userId: last.userId,
          score: last.score,
          achievedAt: Date.parse(last.achievedAt),
        });
    const bytes = Buffer.from(
      String(reply.serializeInput({ ...bodyOf(state), nextCursor }, '200', 'application/json')),
    );
    const isFinal = 'final' in state.board && state.board.final !== null;
    const validators = { etag: etagOf(state), 'cache-control': isFinal ? FOR_EVER : 'no-cache' };
    const page = { bytes, validators };
    pages.set(state, page);
    return page;
  };

  const readPage = async (
    id: string,
    { season, limit, cursor }: Static<typeof EntriesQuery>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const board = await app.seasons.board(id, season);
    const isCurrent = season === undefined;
    const after = cursor === undefined ? undefined : app.cursors.entryCursor(cursor, board, isCurrent);
    const state = await app.leaderboards.page(board, limit, after);
    return sendPage(pages.get(state) ?? pageOf(state, reply), request, reply);
  };

  const noEntry = (id: string) => new Problem('not-found', `This user has no entry on "${id}".`);

  app.get(
    '/v1/leaderboards/:id/entries',
    {
      schema: {
        ...common,
        operationId: 'listEntries',
        summary: 'The entries, page by page',
        description:
          'Returns 304 without a body if `If-None-Match` has the current `ETag`. Pages of a final season do not change. A cursor belongs to the season of its page: send both if the season is not the current one.',
        params: LeaderboardParams,
        querystring: EntriesQuery,
        response: {
          200: answer(Entries),
          304: { type: 'null', description: 'Nothing has changed.' },
          ...problemResponses(...NOT_FOUND, SEASON_GONE),
        },
      },
    },
    // Without a promise while nothing changes: then the answer is there already.
    (request, reply) => {
      const { id } = request.params;
      const { season, limit, cursor } = request.query;
      const isFirst = season === undefined && cursor === undefined;
      const state = isFirst ? app.leaderboards.unchangedPage(id, limit) : undefined;
      const page = state && pages.get(state);
      if (page === undefined) return readPage(id, request.query, request, reply);
      sendPage(page, request, reply);
      return;
    },
  );

  app.get(
    '/v1/leaderboards/:id/entries/batch',
    {
      schema: {
        ...common,
        operationId: 'listFriends',
        summary: 'A list of friends',
        description:
          'The entries of these users, each with its global rank and its position in this list. Users without an entry are omitted.',
        params: LeaderboardParams,
        querystring: FriendsQuery,
        response: { 200: answer(FriendEntries), ...problemResponses(...NOT_FOUND) },
      },
    },
    async (request) => {
      const userIds = request.query.userIds.split(',');
      const board = await app.seasons.board(request.params.id, request.query.season);
      const state = await app.leaderboards.many(board, userIds);
      return {
        ...bodyOf(state),
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
        operationId: 'getEntry',
        summary: 'The entry of one user',
        params: EntryParams,
        querystring: EntryQuery,
        response: { 200: answer(EntryDetails), ...problemResponses(...NOT_FOUND) },
      },
    },
    async (request): Promise<EntryDetails> => {
      const { id, userId } = request.params;
      const board = await app.seasons.board(id, request.query.season);
      const found = await app.leaderboards.entry(board, userId);
      if (found === null) throw noEntry(id);
      const { entry, total, scoreAbove } = found;
      return {
        ...entry,
        total,
        percentile: Math.round((1 - (entry.rank - 1) / total) * 10_000) / 100,
        ...pointsToNextRank(entry.score, scoreAbove),
      };
    },
  );

  app.get(
    '/v1/leaderboards/:id/entries/:userId/around',
    {
      schema: {
        ...common,
        operationId: 'listNeighbours',
        summary: 'The neighbours of one user',
        params: EntryParams,
        querystring: AroundQuery,
        response: { 200: answer(Entries), ...problemResponses(...NOT_FOUND) },
      },
    },
    async (request) => {
      const { id, userId } = request.params;
      const { season, radius } = request.query;
      const board = await app.seasons.board(id, season);
      const state = await app.leaderboards.around(board, userId, radius);
      if (state === null) throw noEntry(id);
      return { ...bodyOf(state), nextCursor: null };
    },
  );
};

/** An answer, ready to be sent. */
interface EntriesPage {
  readonly bytes: Buffer;
  readonly validators: { readonly etag: string; readonly 'cache-control': string };
}

/** Absent if JavaScript cannot count so far: two scores may be 2^54 apart. */
function pointsToNextRank(score: number, above: number | null): Pick<EntryDetails, 'pointsToNextRank'> {
  if (above === null) return { pointsToNextRank: null };
  // Of equal scores the one reached first stands higher: drawing level is not enough.
  const points = Math.abs(above - score) + 1;
  return Number.isSafeInteger(points) ? { pointsToNextRank: points } : {};
}

const bodyOf = ({ board, version, total, items }: BoardState): Omit<Entries, 'nextCursor'> => ({
  leaderboard: board.leaderboard,
  season: board.season,
  version,
  total,
  items,
});

/** Display names are part of it, because an instance may learn of a new one later than another. */
function etagOf({ epoch, version, items }: BoardState): string {
  const names = crc32(items.map(({ displayName }) => displayName).join('\n')).toString(36);
  return `"${epoch}-${version}-${names}"`;
}

/** Sends the answer, or 304 to a caller who has it already. */
function sendPage({ bytes, validators }: EntriesPage, request: FastifyRequest, reply: FastifyReply) {
  reply.headers(validators);
  const known = request.headers['if-none-match']?.split(',') ?? [];
  const isKnown = known.some((tag) => ['*', validators.etag].includes(tag.trim().replace(/^W\//, '')));
  if (isKnown) return reply.code(304).send();
  return reply.type('application/json; charset=utf-8').send(bytes);
}

export default routes;
