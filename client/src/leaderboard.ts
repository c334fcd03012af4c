import type { components } from './api.js';
import { ask, httpOf } from './http.js';
import { type LiveOptions, type LiveView, subscribe } from './live/subscription.js';
import { ScoreboardError } from './problem.js';

type Schemas = components['schemas'];
/** `{rank, userId, displayName, score, achievedAt}`; ranks start at 1 and are unique. */
export type Entry = Schemas['Entry'];
/** A page of a leaderboard; `nextCursor` leads to the next page, if there is one. */
export type Entries = Schemas['Entries'];
/** An entry with `total`, `percentile` and `pointsToNextRank`. */
export type EntryDetails = Schemas['EntryDetails'];
/** A season with its span, its first three entries and, once it is final, the digest of its standings. */
export type Season = Schemas['Season'];
/** A page of the seasons of a leaderboard, newest first. */
export type Seasons = Schemas['Seasons'];
/** Entries with their `position` in a list of friends. */
export type FriendEntries = Schemas['FriendEntries'];

interface Cancellable {
  readonly signal?: AbortSignal;
}

interface OfSeason {
  /** A season that is over, in place of the current one. */
  readonly season?: number;
}

/** Reads one leaderboard. All calls reject with a ScoreboardError. */
export interface Leaderboard {
  /** The first `limit` entries (1 to 100; default 10), or the page of a `nextCursor`. */
  top(
    options?: Cancellable & OfSeason & { readonly limit?: number; readonly cursor?: string },
  ): Promise<Entries>;
  /** A user (default: the session's) with up to `radius` neighbours (0 to 50; default 5) on each side. */
  around(userId?: string, options?: Cancellable & OfSeason & { readonly radius?: number }): Promise<Entries>;
  /** The entries of up to 100 users, in the order of the board. Users without an entry are omitted. */
  friends(userIds: readonly string[], options?: Cancellable & OfSeason): Promise<FriendEntries>;
  /** The entry of a user (default: the session's); `not-found` if there is none. */
  entry(userId?: string, options?: Cancellable & OfSeason): Promise<EntryDetails>;
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
