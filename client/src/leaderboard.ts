import type { components } from './api.js';
import { ask, httpOf } from './http.js';
import { type LiveOptions, type LiveView, subscribe } from './live/subscription.js';
import { ScoreboardError } from './problem.js';

type Schemas = components['schemas'];
/** `{rank, sharedRank, userId, displayName, score, achievedAt}`; ranks start at 1, and equal scores have the same `sharedRank`. */
export type Entry = Schemas['Entry'];
/** A page of a leaderboard; `nextCursor` leads to the next page, if there is one. */
export type Entries = Schemas['Entries'];
/** An entry with `total`, `percentile`, `pointsToNextRank` and `pointsToFirst`. */
export type EntryDetails = Schemas['EntryDetails'];
/** A season with its span, its first three entries and, once it is final, the digest of its standings. */
export type Season = Schemas['Season'];
/** A page of the seasons of a leaderboard, newest first. */
export type Seasons = Schemas['Seasons'];
/** Entries with their `position` in a list of friends. */
export type FriendEntries = Schemas['FriendEntries'];

/** The rank that a score would have. */
export type RankOf = Schemas['RankOf'];
/** The score at a rank, and its percentile. */
export type ScoreAt = Schemas['ScoreAt'];
/** How many entries have which scores: `{from, to, entries}` from the lowest to the highest. */
export type Histogram = Schemas['Histogram'];
/** The entries of a user on all leaderboards. */
export type UserEntries = Schemas['UserEntries'];
/** The events that a score is made of, newest first. */
export type Why = Schemas['Why'];

export interface Cancellable {
  readonly signal?: AbortSignal;
}

interface OfSeason {
  /** A season that is over, in place of the current one. */
  readonly season?: number;
  /** The language of `formatted`, by default that of the browser: `de`, `pt-BR`. */
  readonly locale?: string;
}

interface AsOf {
  /** The board as it stood at this time, as in RFC 3339. */
  readonly asOf?: string;
}

interface Since {
  /** Entries say in `movement` by how many ranks they have risen since this time. */
  readonly since?: string;
}

export interface Paged {
  /** 1 to 100. */
  readonly limit?: number;
  /** The `nextCursor` of another page. */
  readonly cursor?: string;
}

/** Where a page lies: it begins at a `rank`, is around a `score`, or has the entries from `minScore` to `maxScore`. */
export interface Position extends Paged {
  readonly rank?: number;
  readonly score?: number;
  readonly minScore?: number;
  readonly maxScore?: number;
}

/** Reads one leaderboard. All calls reject with a ScoreboardError. */
export interface Leaderboard {
  /** The first `limit` entries (1 to 100; default 10), or the page of a `nextCursor`. */
  top(
    options?: Cancellable & OfSeason & AsOf & Since & { readonly limit?: number; readonly cursor?: string },
  ): Promise<Entries>;
  /** The page at a position, or that of a `nextCursor` or `prevCursor`: `minScore` and `maxScore` are then given again. */
  page(position: Position, options?: Cancellable & OfSeason & AsOf & Since): Promise<Entries>;
  /** The rank that a score would have. */
  rankOf(score: number, options?: Cancellable & OfSeason): Promise<RankOf>;
  /** The score at a rank, or the lowest that is enough for a percentile; `not-found` if there are fewer entries. */
  scoreAt(
    place: { readonly rank: number } | { readonly percentile: number },
    options?: Cancellable & OfSeason,
  ): Promise<ScoreAt>;
  /** How many entries have which scores, in up to `bins` bins (1 to 100; default 20). */
  histogram(options?: Cancellable & OfSeason & { readonly bins?: number }): Promise<Histogram>;
  /** A user (default: the session's) with up to `radius` neighbours (0 to 50; default 5) on each side. */
  around(
    userId?: string,
    options?: Cancellable & OfSeason & AsOf & { readonly radius?: number },
  ): Promise<Entries>;
  /** The entries of up to 100 users, in the order of the board. Users without an entry are omitted. */
  friends(userIds: readonly string[], options?: Cancellable & OfSeason & AsOf): Promise<FriendEntries>;
  /** The entry of a user (default: the session's); `not-found` if there is none. */
  entry(userId?: string, options?: Cancellable & OfSeason & AsOf): Promise<EntryDetails>;
  /** The seasons, newest first: up to `limit` (1 to 100; default 10), or the page of a `nextCursor`. */
  seasons(options?: Cancellable & { readonly limit?: number; readonly cursor?: string }): Promise<Seasons>;
  /** Follows the live stream: see subscribe(). @returns a function that ends the subscription */
  subscribe(listener: (view: LiveView) => void, options?: LiveOptions): () => void;
}

export interface LeaderboardOptions extends Pick<LiveOptions, 'eventSource'> {
  /** The default user of around() and entry(). */
  readonly user?: () => string | undefined;
}

/**
 * A leaderboard for pages that only read: it needs no session.
 * @param baseUrl of the service, like `https://scores.example.com`
 */
export function leaderboardOf(
  baseUrl: string,
  id: string,
  { user, eventSource }: LeaderboardOptions = {},
): Leaderboard {
  const http = httpOf(baseUrl);
  const named = (userId = user?.()): string => {
    if (userId) return userId;
    throw new ScoreboardError('unauthenticated', 'No user was given, and there is no session.');
  };
  return {
    top: ({ signal, ...query } = {}) =>
      ask(
        (signal) => http.GET('/v1/leaderboards/{id}/entries', { params: { path: { id }, query }, signal }),
        signal,
      ),
    page: (position, { signal, ...season } = {}) => {
      const params = { path: { id }, query: { ...position, ...season } };
      return ask((signal) => http.GET('/v1/leaderboards/{id}/entries', { params, signal }), signal);
    },
    rankOf: (score, { signal, ...season } = {}) => {
      const params = { path: { id }, query: { score, ...season } };
      return ask((signal) => http.GET('/v1/leaderboards/{id}/rank-of', { params, signal }), signal);
    },
    scoreAt: (place, { signal, ...season } = {}) => {
      const params = { path: { id }, query: { ...place, ...season } };
      return ask((signal) => http.GET('/v1/leaderboards/{id}/score-at', { params, signal }), signal);
    },
    histogram: ({ signal, ...query } = {}) =>
      ask(
        (signal) => http.GET('/v1/leaderboards/{id}/histogram', { params: { path: { id }, query }, signal }),
        signal,
      ),
    around: async (userId, { signal, ...query } = {}) => {
      const path = { id, userId: named(userId) };
      return ask(
        (signal) =>
          http.GET('/v1/leaderboards/{id}/entries/{userId}/around', { params: { path, query }, signal }),
        signal,
      );
    },
    friends: (userIds, { signal, ...query } = {}) => {
      const params = { path: { id }, query: { userIds: userIds.join(','), ...query } };
      return ask((signal) => http.GET('/v1/leaderboards/{id}/entries/batch', { params, signal }), signal);
    },
    entry: async (userId, { signal, ...query } = {}) => {
      const path = { id, userId: named(userId) };
      return ask(
        (signal) => http.GET('/v1/leaderboards/{id}/entries/{userId}', { params: { path, query }, signal }),
        signal,
      );
    },
    seasons: ({ signal, ...query } = {}) =>
      ask(
        (signal) => http.GET('/v1/leaderboards/{id}/seasons', { params: { path: { id }, query }, signal }),
        signal,
      ),
    subscribe: (listener, options) => subscribe(baseUrl, id, listener, { eventSource, ...options }),
  };
}
