import { crc32 } from 'node:zlib';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answer, MAX_BATCH_BYTES } from '../../schemas/common.js';
import {
  AroundQuery,
  Entries,
  EntriesQuery,
  type Entry,
  EntryDetails,
  EntryParams,
  EntryQuery,
  ExternalFriendEntries,
  ExternalFriends,
  FriendEntries,
  FriendsQuery,
  LeaderboardParams,
} from '../../schemas/leaderboard.js';
import type { Unit } from '../../schemas/unit.js';
import { instant } from '../../src/clock.js';
import { Problem, problemResponses, SEASON_GONE, UNREAD_BODY_FAULTS } from '../../src/errors.js';
import type { ScoreWriting } from '../../src/http/languages.js';
import { type Asked, formattedBy, writingFor } from '../../src/http/score-writing.js';
import type { BoardState } from '../../src/leaderboard/board-state.js';
import { percentileOf } from '../../src/leaderboard/percentile.js';
import type { PositionedPage } from '../../src/leaderboard/positions.js';
import type { BoardAsOf } from '../../src/leaderboard/seasons.js';

const common = { tags: ['Leaderboards'], security: [] };
const NOT_FOUND = [
  'validation-failed',
  'not-found',
  'season-not-found',
  'history-archived',
  'season-purged',
] as const;

/** A final season changes no more: whoever has a page of it need not ask again. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/** Stands for the language of an answer that only has scores as they are. */
const UNWRITTEN = '';
/** In which one state is kept as an answer. */
const MOST_LANGUAGES = 16;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  /** Answers with states that are asked for again and again as they are, by the language in which they write scores. */
  const pages = new WeakMap<BoardState, Map<string, EntriesPage>>();
  const pageOf = (
    { state, hasPrevious, hasNext }: PositionedPage,
    { endsAt: seasonEndsAt, unit }: About,
    writing: ScoreWriting | null,
    reply: FastifyReply,
  ): EntriesPage => {
    const cursor = (entry: Entry | undefined, direction: { back?: true }) =>
      entry === undefined
        ? null
        : app.cursors.encode({
            board: state.board.text,
            userId: entry.userId,
            score: entry.score,
            achievedAt: Date.parse(entry.achievedAt),
            ...direction,
          });
    const { items } = state;
    const nextCursor = hasNext ? cursor(items.at(-1), {}) : null;
    const prevCursor = hasPrevious ? cursor(items[0], { back: true }) : null;
    const body = { ...bodyOf(state, seasonEndsAt, writing), nextCursor, prevCursor };
    const bytes = Buffer.from(String(reply.serializeInput(body, '200', 'application/json')));
    const hasNow = saysNow(state.board, seasonEndsAt);
    const validators = {
      etag: etagOf(
        state,
        seasonEndsAt,
        writing === null ? [] : [writing.locale, JSON.stringify(unit)],
        hasNow,
      ),
      'cache-control': isFinal(state.board) ? FOR_EVER : 'no-cache',
    };
    return { bytes, hasNow, seasonEndsAt, unit, validators };
  };

  /** The top, which is kept as it was sent. */
  const topOf = (
    state: BoardState,
    about: About,
    writing: ScoreWriting | null,
    reply: FastifyReply,
  ): EntriesPage => {
    const kept = pages.get(state) ?? new Map<string, EntriesPage>();
    const key = writing?.locale ?? UNWRITTEN;
    const known = kept.get(key);
    if (known?.seasonEndsAt === about.endsAt && known.unit === about.unit) return known;
    const hasNext = (state.items.at(-1)?.rank ?? state.total) < state.total;
    const page = pageOf({ state, hasPrevious: false, hasNext }, about, writing, reply);
    if (kept.size >= MOST_LANGUAGES) kept.clear();
    pages.set(state, kept.set(key, page));
    return page;
  };

  /** The board that a request is about. */
  const boardOf = async (
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    { season, asOf }: { readonly season?: number | undefined; readonly asOf?: string | undefined },
  ): Promise<BoardState['board']> => {
    if (asOf === undefined) return await app.seasons.board(id, season);
    return await past(request, reply, id, season, ['asOf', asOf]);
  };
  /** @throws Problem `not-found` */
  const past = async (
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    season: number | undefined,
    time: readonly ['asOf' | 'since', string],
  ): Promise<BoardAsOf> => {
    const leaderboard = await app.catalog.leaderboard(id);
    return await app.history.board(leaderboard.id, season, time, () => app.countComputation(request, reply));
  };

  const readPage = async (
    id: string,
    { season, cursor, asOf, since, ...query }: EntriesQuery,
    request: FastifyRequest & Asked,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const board = await boardOf(request, reply, id, { season, asOf });
    const isCurrent = season === undefined && asOf === undefined;
    const from = cursor === undefined ? undefined : app.cursors.entryCursor(cursor, board, isCurrent);
    const before =
      since === undefined ? null : await past(request, reply, id, board.season, ['since', since]);
    const about = await aboutOf(board);
    const writing = writingFor(about.unit, request, reply);
    if (from === undefined && before === null && !isPositioned(query)) {
      const state = await app.leaderboards.page(board, query.limit);
      return sendPage(topOf(state, about, writing, reply), request, reply);
    }
    const found = await app.positions.page(board, { ...query, ...(from && { from }) });
    const page = before === null ? found : { ...found, state: await withMovement(found.state, before) };
    return sendPage(pageOf(page, about, writing, reply), request, reply);
  };

  const aboutOf = async (board: BoardState['board']): Promise<About> => {
    if ('endsAt' in board) return board;
    const { seasonEndsAt: endsAt, unit = null } = await app.catalog.leaderboard(board.leaderboard);
    return { endsAt, unit };
  };

  /** What all answers with several entries of a board have. */
  const stateOf = async (state: BoardState, request: Asked, reply: FastifyReply) => {
    const about = await aboutOf(state.board);
    const time = saysNow(state.board, about.endsAt) ? { now: instant() } : {};
    return {
      ...bodyOf(state, about.endsAt, writingFor(about.unit, request, reply)),
      nextCursor: null,
      prevCursor: null,
      ...time,
    };
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
          'Returns 304 without a body if `If-None-Match` has the current `ETag`. Pages of a final season do not change. A page begins at the top, at a `rank`, at the best score from `minScore` to `maxScore`, or lies around a `score`; `nextCursor` and `prevCursor` lead on from there. With `asOf` and `since` events are added up, which may take seconds: a twentieth as many of these are allowed as of other reads. A cursor belongs to the season of its page: send both if the season is not the current one.',
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
      const { season, limit, cursor, locale } = request.query;
      const isFirst = season === undefined && cursor === undefined && !isPositioned(request.query);
      const known = isFirst && locale === undefined ? app.catalog.knownLeaderboard(id) : undefined;
      const isPlain = known !== undefined && known.unit === undefined;
      const state = isPlain ? app.leaderboards.unchangedPage(id, limit) : undefined;
      const page = state && pages.get(state)?.get(UNWRITTEN);
      if (page === undefined || page.seasonEndsAt !== known?.seasonEndsAt || page.unit !== null)
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
    async (request, reply) => {
      const userIds = request.query.userIds.split(',');
      const board = await boardOf(request, reply, request.params.id, request.query);
      const body = await stateOf(await app.leaderboards.many(board, userIds), request, reply);
      return { ...body, items: body.items.map((entry, i) => ({ ...entry, position: i + 1 })) };
    },
  );

  app.post(
    '/v1/leaderboards/:id/entries/batch',
    {
      bodyLimit: MAX_BATCH_BYTES,
      config: { scope: 'users:read' },
      schema: {
        tags: common.tags,
        operationId: 'listExternalFriends',
        summary: 'A list of friends, by ids of your own system',
        description:
          'As `GET` with `userIds`. It is no change: it is a POST because such ids may be long and hold any characters.',
        params: LeaderboardParams,
        querystring: EntryQuery,
        body: ExternalFriends,
        response: {
          200: answer(ExternalFriendEntries),
          ...problemResponses(...NOT_FOUND, ...UNREAD_BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request, reply): Promise<ExternalFriendEntries> => {
      const { params, query, body } = request;
      const users = await app.users.withExternalIds(body.externalIds);
      const names = new Map([...users].map(([externalId, { id }]) => [id, externalId]));
      const board = await boardOf(request, reply, params.id, query);
      const state = await stateOf(await app.leaderboards.many(board, [...names.keys()]), request, reply);
      const items = state.items.flatMap((entry) => {
        const externalId = names.get(entry.userId);
        return externalId === undefined ? [] : [{ ...entry, externalId }];
      });
      return { ...state, items: items.map((entry, i) => ({ ...entry, position: i + 1 })) };
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
    async (request, reply): Promise<EntryDetails> => {
      const { id, userId } = request.params;
      const board = await boardOf(request, reply, id, request.query);
      const found = await app.leaderboards.entry(board, userId);
      if (found === null) throw noEntry(id);
      const { entry, total, scoreAbove, scoreFirst } = found;
      const [pointsToNextRank, pointsToFirst] = [scoreAbove, scoreFirst].map((above) =>
        pointsTo(above, entry.score),
      );
      return {
        ...written(entry, writingFor((await aboutOf(board)).unit, request, reply)),
        total,
        ...('asOf' in board && { asOf: board.asOf }),
        percentile: percentileOf(entry.rank, total),
        ...(pointsToNextRank !== undefined && { pointsToNextRank }),
        ...(pointsToFirst !== undefined && { pointsToFirst }),
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
    async (request, reply) => {
      const { id, userId } = request.params;
      const board = await boardOf(request, reply, id, request.query);
      const state = await app.leaderboards.around(board, userId, request.query.radius);
      if (state === null) throw noEntry(id);
      return stateOf(state, request, reply);
    },
  );
};

/** What is known of a board besides its entries. */
interface About {
  readonly endsAt: string | null;
  readonly unit: Unit | null;
}

const written = (entry: Entry, writing: ScoreWriting | null): Entry =>
  writing === null ? entry : { ...entry, ...formattedBy(writing, entry.score) };

/** An answer, ready to be sent. */
interface EntriesPage {
  /** Without `now`. */
  readonly bytes: Buffer;
  readonly hasNow: boolean;
  readonly seasonEndsAt: string | null;
  readonly unit: Unit | null;
  readonly validators: { readonly etag: string; readonly 'cache-control': string };
}

/** Whether a page is asked for that is not the first. */
const isPositioned = ({ rank, score, minScore, maxScore, asOf, since }: EntriesQuery): boolean =>
  (rank ?? score ?? minScore ?? maxScore ?? asOf ?? since) !== undefined;

/** How many points lead past a score; null where there is none, undefined if JavaScript cannot count so far: two scores may be 2^54 apart. */
function pointsTo(above: number | null, score: number): number | null | undefined {
  if (above === null) return null;
  // Of equal scores the one reached first stands higher: drawing level is not enough.
  const points = Math.abs(above - score) + 1;
  return Number.isSafeInteger(points) ? points : undefined;
}

const isFinal = (board: BoardState['board']): boolean => 'final' in board && board.final !== null;
/** Whether there is something to count down to. */
const saysNow = (board: BoardState['board'], seasonEndsAt: string | null): boolean =>
  seasonEndsAt !== null && !isFinal(board);

const bodyOf = (
  { board, version, total, items }: BoardState,
  seasonEndsAt: string | null,
  writing: ScoreWriting | null,
): Omit<Entries, 'nextCursor' | 'prevCursor'> => ({
  leaderboard: board.leaderboard,
  season: board.season,
  seasonEndsAt,
  version,
  total,
  items: writing === null ? items : items.map((entry) => written(entry, writing)),
  ...('asOf' in board && { asOf: board.asOf, voidedSince: board.voided.size }),
});

/** The entries, with how many ranks each has risen since the board was as it is here. */
async function withMovement(state: BoardState, { reader }: BoardAsOf): Promise<BoardState> {
  const { entries } = await reader.many(state.items.map(({ userId }) => userId));
  const ranks = new Map(entries.map(({ userId, rank }) => [userId, rank]));
  const items = state.items.map((entry) => {
    const rank = ranks.get(entry.userId);
    return { ...entry, movement: rank === undefined ? null : rank - entry.rank };
  });
  // The past of a final season may still be corrected, so its movements may.
  const board = 'final' in state.board ? { ...state.board, final: null } : state.board;
  return { ...state, board, items };
}

/**
 * Display names are part of it, because an instance may learn of a new one later than another, and so is the end of the season, how
 * scores are written, and metadata, which an action may make public at any time. Where the page says the time, it is a weak one: the time is another in each answer.
 */
function etagOf(
  { epoch, version, items }: BoardState,
  seasonEndsAt: string | null,
  writing: readonly string[],
  hasNow: boolean,
): string {
  const shown = items.map(({ displayName, metadata }) =>
    metadata === undefined ? displayName : displayName + JSON.stringify(metadata),
  );
  const rest = [seasonEndsAt, ...writing, ...shown].join('\n');
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
  Buffer.concat([page.subarray(0, -1), Buffer.from(`,"now":"${instant()}"}`)]);

export default routes;
