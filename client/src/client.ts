import {
  type ActionEvent,
  type ActionOptions,
  actionsOf,
  type BegunAction,
  type Receipt,
} from './actions.js';
import { type Leaderboard, leaderboardOf } from './leaderboard.js';
import type { EventSourceClass } from './live/subscription.js';
import { offlineQueue, type PendingAction } from './offline-queue.js';
import { type Account, type Credentials, sessionOf, type User } from './session.js';
import { browserStorage, type KeyValueStorage, storeOf } from './storage.js';

export interface ClientOptions {
  /** Of the service, as `https://scores.example.com`; '' for the origin of the page. */
  readonly baseUrl: string;
  /**
   * Where the session and the queue are kept: in a browser `localStorage`, in Node memory, if not given. Only tabs of one
   * browser may share it; two processes would use the same refresh token, which ends the session.
   */
  readonly storage?: KeyValueStorage;
  /** What becomes of actions, also of those that an earlier page has left. */
  readonly onAction?: (event: ActionEvent) => void;
  /** The session's user has changed: another one, another name, or null when the session is over. */
  readonly onUser?: (user: User | null) => void;
  /** For platforms that have no EventSource; browsers and Node need none. */
  readonly eventSource?: EventSourceClass;
}

/** A player's view of the service. Every call fails with a ScoreboardError. */
export interface Client {
  /** Whose session it is; null if there is none. */
  readonly user: User | null;
  /** The session's user; a new guest if there is no session. Other calls do that by themselves, without a name. */
  guest(displayName?: string): Promise<User>;
  /** Makes an account, and changes to it. */
  register(account: Account): Promise<User>;
  /** Changes to an account. */
  login(credentials: Credentials): Promise<User>;
  /** Makes the guest a full account, which keeps its scores. */
  upgrade(credentials: Credentials): Promise<User>;
  /** Gives the user another name to show. */
  rename(displayName: string): Promise<User>;
  /** Ends the session: here in any case, and at the service if it answers. */
  logout(): Promise<void>;
  /** Gets the token of an action that begins now, to be given to performAction() when it is done. */
  beginAction(action: string, options?: { readonly signal?: AbortSignal }): Promise<BegunAction>;
  /**
   * Counts a finished action, exactly once: gets an action token, waits until it may be used, sends it, and sends it again
   * as long as the answer is lost. It waits while the service is away, busy, or says to wait; longer than `timeoutMs`, and it
   * fails with `queued`: the action is in the storage then, survives a reload, and `onAction` tells what becomes of it.
   */
  performAction(action: string, options?: ActionOptions): Promise<Receipt>;
  /** Actions that are not known to be counted yet, oldest first. */
  readonly pending: readonly PendingAction[];
  /** What can be read of a leaderboard, now or live. */
  leaderboard(id: string): Leaderboard;
  /** Stops sending actions. Those that are not counted stay in the storage. */
  close(): void;
}

/** A client of a service, with the session and the pending actions of earlier pages. */
export function createClient({ baseUrl, storage, onAction, onUser, eventSource }: ClientOptions): Client {
  const kept = storage ?? browserStorage();
  const prefix = `scoreboard:${baseUrl}:`;
  // What is in memory is nobody else's, so nobody else need wait for it.
  const lock = kept ? prefix : prefix + Math.random();
  const store = storeOf(kept, prefix);
  // In a turn of its own, what a listener throws harms nobody else.
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
    close: actions.close,
  };
}
