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

export type OfflineQueue = ReturnType<typeof offlineQueue>;

/** Actions in the storage, oldest first. Each change reads and writes the whole queue synchronously. */
export function offlineQueue(store: Store) {
  const all = () => store.read<PendingAction[]>('queue') ?? [];
  const others = (id: string) => all().filter((pending) => pending.id !== id);
  const write = (pending: PendingAction[]) => store.write('queue', pending[0] ? pending : null);
  return {
    all,
    find: (id: string) => all().find((pending) => pending.id === id),
    /** Adds or replaces an action. */
    put: (pending: PendingAction) =>
      write([...others(pending.id), pending].sort((a, b) => a.doneAt - b.doneAt)),
    remove: (id: string) => write(others(id)),
  };
}
