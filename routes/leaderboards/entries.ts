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
import { now } from '../../src/clock.js';
import { Problem, problemResponses, SEASON_GONE } from '../../src/errors.js';
import type { BoardState } from '../../src/leaderboard/board-state.js';

const common = { tags: ['Leaderboards'], security: [] };
const NOT_FOUND = ['validation-failed', 'not-found', 'season-not-found', 'season-purged'] as const;

/** A final season changes no more: whoever has a page of it need not ask again. */
const FOR_EVER = 'public, max-age=31536000, immutable';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  /** Answers with states that are asked for again and again as they are. */
  const pages = new WeakMap<BoardState, EntriesPage>();
  const pageOf = (state: BoardState, seasonEndsAt: string | null, reply: FastifyReply): EntriesPage => {
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
    const body = { ...bodyOf(state, seasonEndsAt), nextCursor };
    const bytes = Buffer.from(String(reply.serializeInput(body, '200', 'application/json')));
    const hasNow = saysNow(state.board, seasonEndsAt);
    const validators = {
      etag: etagOf(state, seasonEndsAt, hasNow),
      'cache-control': isFinal(state.board) ? FOR_EVER : 'no-cache',
    };
    const page = { bytes, hasNow, seasonEndsAt, validators };
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
    const endsAt = await endOf(board);
    const known = pages.get(state);
    const page = known?.seasonEndsAt === endsAt ? known : pageOf(state, endsAt, reply);
    return sendPage(page, request, reply);
  };

  const endOf = async (board: BoardState['board']): Promise<string | null> =>
    'endsAt' in board ? board.endsAt : (await app.catalog.leaderboard(board.leaderboard)).seasonEndsAt;

  /** What all answers with entries of a board have, but for the entries. */
  const stateOf = async (state: BoardState) => {
    const endsAt = await endOf(state.board);
    const time = saysNow(state.board, endsAt) ? { now: new Date(now()).toISOString() } : {};
    return { ...bodyOf(state, endsAt), nextCursor: null, ...time };
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
      if (page === undefined || page.seasonEndsAt !== app.catalog.knownLeaderboard(id)?.seasonEndsAt)
        return readPage(id, request.query, request, reply);
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
      const items = state.items.map((entry, i) => ({ ...entry, position: i + 1 }));
      return { ...(await stateOf(state)), items };
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
      return stateOf(state);
    },
  );
};

/** An answer, ready to be sent. */
interface EntriesPage {
  /** Without `now`. */
  readonly bytes: Buffer;
  readonly hasNow: boolean;
  readonly seasonEndsAt: string | null;
  readonly validators: { readonly etag: string; readonly 'cache-control': string };
}

/** Absent if JavaScript cannot count so far: two scores may be 2^54 apart. */
function pointsToNextRank(score: number, above: number | null): Pick<EntryDetails, 'pointsToNextRank'> {
  if (above === null) return { pointsToNextRank: null };
  // Of equal scores the one reached first stands higher: drawing level is not enough.
  const points = Math.abs(above - score) + 1;
  return Number.isSafeInteger(points) ? { pointsToNextRank: points } : {};
}

const isFinal = (board: BoardState['board']): boolean => 'final' in board && board.final !== null;
/** Whether there is something to count down to. */
const saysNow = (board: BoardState['board'], seasonEndsAt: string | null): boolean =>
  seasonEndsAt !== null && !isFinal(board);

const bodyOf = (
  { board, version, total, items }: BoardState,
  seasonEndsAt: string | null,
): Omit<Entries, 'nextCursor'> => ({
  leaderboard: board.leaderboard,
  season: board.season,
  seasonEndsAt,
  version,
  total,
  items,
});

/**
 * Display names are part of it, because an instance may learn of a new one later than another, and so is the end of the season. Where
 * the page says the time, it is a weak one: the time is another in each answer.
 */
function etagOf({ epoch, version, items }: BoardState, seasonEndsAt: string | null, hasNow: boolean): string {
  const rest = [seasonEndsAt, ...items.map(({ displayName }) => displayName)].join('\n');
  const tag = `"${epoch}-${version}-${crc32(rest).toString(36)}"`;
  return hasNow ? `W/${tag}` : tag;
}

/** Sends the answer, or 304 to a caller who has it already. */
function sendPage({ bytes, hasNow, validators }: EntriesPage, request: FastifyRequest, reply: FastifyReply) {
  reply.headers(validators);
  const known = request.headers['if-none-match']?.split(',') ?? [];
  const isKnown = known.some((tag) => ['*', opaque(validators.etag)].includes(opaque(tag.trim())));
  if (isKnown) return reply.code(304).send();
  return reply.type('application/json; charset=utf-8').send(hasNow ? withNow(bytes) : bytes);
}

/** A tag as it is compared with If-None-Match. */
const opaque = (tag: string): string => tag.replace(/^W\//, '');

/** The page with the time as its last field: it is serialised once, and sent often. */
const withNow = (page: Buffer): Buffer =>
  Buffer.concat([page.subarray(0, -1), Buffer.from(`,"now":"${new Date(now()).toISOString()}"}`)]);

export default routes;
