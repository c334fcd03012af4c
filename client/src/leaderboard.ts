import type { components } from './api.js';
import { ask, httpOf } from './http.js';
import { type LiveOptions, type LiveView, subscribe } from './live/subscription.js';
import { ScoreboardError } from './problem.js';

type Schemas = components['schemas'];
/** `{rank, userId, displayName, score, achievedAt}`; ranks start at 1 and are unique. */
export type Entry = Schemas['Entry'];
/** Part of a leaderboard, in its order; `nextCursor` leads to the next part, if there is one. */
export type Entries = Schemas['Entries'];
/** An entry with `total`, `percentile` and `pointsToNextRank`. */
export type EntryDetails = Schemas['EntryDetails'];
/** Entries with their `position` in a list of friends. */
export type FriendEntries = Schemas['FriendEntries'];

interface Cancellable {
  readonly signal?: AbortSignal;
}

/** What can be read of one leaderboard. Every call fails with a ScoreboardError. */
export interface Leaderboard {
  /** The first entries, 10 if not said otherwise (1 to 100), or those that a `nextCursor` leads to. */
  top(options?: Cancellable & { readonly limit?: number; readonly cursor?: string }): Promise<Entries>;
  /** A user (the session's own if none is named) with up to `radius` neighbours (0 to 50; 5) on each side. */
  around(userId?: string, options?: Cancellable & { readonly radius?: number }): Promise<Entries>;
  /** Those of up to 100 users who have an entry, in the order of the board. */
  friends(userIds: readonly string[], options?: Cancellable): Promise<FriendEntries>;
  /** Where a user (the session's own if none is named) stands; `not-found` if nowhere. */
  entry(userId?: string, options?: Cancellable): Promise<EntryDetails>;
  /** Live: see subscribe(). @returns what ends it */
  subscribe(listener: (view: LiveView) => void, options?: LiveOptions): () => void;
}

export interface LeaderboardOptions extends Pick<LiveOptions, 'eventSource'> {
  /** Whom around() and entry() are about if no user is named. */
  readonly user?: () => string | undefined;
}

/**
 * One leaderboard, for pages that only read: it needs no session.
 * @param baseUrl of the service, as `https://scores.example.com`
 */
export function leaderboardOf(
  baseUrl: string,
  id: string,
  { user, eventSource }: LeaderboardOptions = {},
): Leaderboard {
  const http = httpOf(baseUrl);
  const named = (userId = user?.()): string => {
    if (userId) return userId;
    throw new ScoreboardError('unauthenticated', 'There is no session whose user could be meant.');
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
    friends: (userIds, { signal } = {}) => {
      const params = { path: { id }, query: { userIds: userIds.join(',') } };
      return ask((signal) => http.GET('/v1/leaderboards/{id}/entries/batch', { params, signal }), signal);
    },
    entry: async (userId, { signal } = {}) => {
      const path = { id, userId: named(userId) };
      return ask(
        (signal) => http.GET('/v1/leaderboards/{id}/entries/{userId}', { params: { path }, signal }),
        signal,
      );
    },
    subscribe: (listener, options) => subscribe(baseUrl, id, listener, { eventSource, ...options }),
  };
}
