import type { Store } from './storage.js';

/** A finished action that may not have counted yet. */
export interface PendingAction {
  readonly id: string;
  readonly action: string;
  readonly points?: number;
  readonly metadata?: Record<string, unknown>;
  /** When it was finished, by the clock of this device, in milliseconds. */
  readonly doneAt: number;
  /** Its user; undefined until there is a session. */
  userId?: string;
  token?: HeldToken;
}

/** An action token, with times by the clock of this device, in milliseconds. */
export interface HeldToken {
  readonly actionToken: string;
  /** The points it counts for if none are given. */
  readonly points: number;
  readonly readyAt: number;
  /** The longest wait before it may be used, even if this clock is changed meanwhile. */
  readonly durationMs: number;
  /** When it was last sent without a response that rules out that it counted. */
  doubtfulSince?: number;
}

const PREFIX = 'action:';

export type OfflineQueue = ReturnType<typeof offlineQueue>;

/**
 * Actions in the storage, each under a name of its own: a tab that still sees an older state of the storage then writes nothing
 * of the other actions back. Each change is synchronous.
 */
export function offlineQueue(store: Store) {
  const find = (name: string) => store.read<PendingAction>(name);
  return {
    /** Oldest first. */
    all: () =>
      store
        .names(PREFIX)
        .flatMap((name) => find(name) ?? [])
        .sort((a, b) => a.doneAt - b.doneAt),
    find: (id: string) => find(PREFIX + id),
    /** Adds or replaces an action. */
    put: (pending: PendingAction) => store.write(PREFIX + pending.id, pending),
    remove: (id: string) => store.write(PREFIX + id, null),
  };
}
