import {
  type ActionEvent,
  type ActionOptions,
  actionsOf,
  type BegunAction,
  type Receipt,
} from './actions.js';
import {
  type Cancellable,
  type Leaderboard,
  leaderboardOf,
  type Paged,
  type UserEntries,
  type Why,
} from './leaderboard.js';
import type { EventSourceClass } from './live/subscription.js';
import { offlineQueue, type PendingAction } from './offline-queue.js';
import { type Account, type Credentials, sessionOf, type User } from './session.js';
import { browserStorage, type KeyValueStorage, storeOf } from './storage.js';

export interface ClientOptions {
  /** URL of the service, like `https://scores.example.com`; '' for the origin of the page. */
  readonly baseUrl: string;
  /**
   * Stores the session and the queue. Default: `localStorage` in a browser, memory in Node. Only tabs of one browser may share
   * it; two processes would use the same refresh token, which ends the session.
   */
  readonly storage?: KeyValueStorage;
  /** Called with the progress of actions, including those of earlier pages. */
  readonly onAction?: (event: ActionEvent) => void;
  /** Called when the session's user or display name changes; with null when the session has ended. */
  readonly onUser?: (user: User | null) => void;
  /** Needed only on platforms other than browsers and Node. */
  readonly eventSource?: EventSourceClass;
}

export type ReadOptions = Cancellable & Paged;

/** The service for one player. All calls reject with a ScoreboardError. */
export interface Client {
  /** The session's user; null without a session. */
  readonly user: User | null;
  /** Returns the session's user, or creates a guest if there is no session. Other calls create one by themselves. */
  guest(displayName?: string): Promise<User>;
  /** Creates an account and logs in. */
  register(account: Account): Promise<User>;
  /** Logs in to an account. */
  login(credentials: Credentials): Promise<User>;
  /** Turns the guest into an account, which keeps its scores. */
  upgrade(credentials: Credentials): Promise<User>;
  /** Changes the user's display name. */
  rename(displayName: string): Promise<User>;
  /** Ends the session: locally in any case, and in the service if it answers. */
  logout(): Promise<void>;
  /** Requests the token of an action that begins now: pass it to performAction() when the action is finished. */
  beginAction(action: string, options?: { readonly signal?: AbortSignal }): Promise<BegunAction>;
  /**
   * Counts a finished action exactly once: requests an action token, waits until it may be used, sends it, and repeats it while
   * responses are lost. It waits while the service is unreachable, busy or asks for a wait. After `timeoutMs` it rejects with
   * `queued`: the action stays in the storage, survives a reload, and `onAction` reports its outcome.
   */
  performAction(action: string, options?: ActionOptions): Promise<Receipt>;
  /** Actions that may not have counted yet, oldest first. */
  readonly pending: readonly PendingAction[];
  /** Reads a leaderboard, once or live. */
  leaderboard(id: string): Leaderboard;
  /** The entries of a user (default: the session's) on all leaderboards, up to `limit` (1 to 100; default 20). */
  entries(userId?: string, options?: ReadOptions): Promise<UserEntries>;
  /** What the score of the session's user on a leaderboard is made of: up to `limit` events (1 to 100; default 20). */
  why(leaderboard: string, options?: ReadOptions & { readonly season?: number }): Promise<Why>;
  /** Stops sending actions. Actions that have not counted stay in the storage. */
  close(): void;
}

/** A client of a service, with the session and the pending actions of earlier pages. */
export function createClient({ baseUrl, storage, onAction, onUser, eventSource }: ClientOptions): Client {
  const kept = storage ?? browserStorage();
  const prefix = `scoreboard:${baseUrl}:`;
  // Other clients cannot see a queue in memory, so they need not wait for its locks.
  const lock = kept ? prefix : prefix + Math.random();
  const store = storeOf(kept, prefix);
  // As a microtask, so that an error of a listener does not disturb the session.
  const session = sessionOf(baseUrl, store, `${lock}session`, (user) => {
    queueMicrotask(() => onUser?.(user));
    if (user) actions.resume();
  });
  const queue = offlineQueue(store);
  const actions = actionsOf(session, queue, `${lock}action:`, (event) =>
    queueMicrotask(() => onAction?.(event)),
  );
  const { user, guest, register, login, upgrade, rename, logout } = session;
  if (user()) actions.resume();
  return {
    get user() {
      return user();
    },
    guest,
    register,
    login,
    upgrade,
    rename,
    logout,
    beginAction: (action, { signal } = {}) => actions.begin(action, signal),
    performAction: actions.perform,
    get pending() {
      return queue.all();
    },
    leaderboard: (id) => leaderboardOf(baseUrl, id, { user: () => user()?.id, eventSource }),
    entries: (userId, { signal, ...query } = {}) =>
      session.call((http, signal, own) => {
        const path = { id: userId ?? own };
        return http.GET('/v1/users/{id}/entries', { params: { path, query }, signal });
      }, signal),
    why: (leaderboard, { signal, ...query } = {}) =>
      session.call((http, signal, userId) => {
        const path = { id: leaderboard, userId };
        return http.GET('/v1/leaderboards/{id}/entries/{userId}/why', { params: { path, query }, signal });
      }, signal),
    close: actions.close,
  };
}
