import type { Store } from './storage.js';

/** A finished action that is not known to be counted yet. */
export interface PendingAction {
  readonly id: string;
  readonly action: string;
  readonly points?: number;
  readonly metadata?: Record<string, unknown>;
  /** When it was done, by the clock of this device, in milliseconds. */
  readonly doneAt: number;
  /** Who did it; not known until there is a session. */
  userId?: string;
  token?: HeldToken;
}

/** An action token, with times by the clock of this device, in milliseconds. */
export interface HeldToken {
  readonly actionToken: string;
  /** What it counts for if no points are named. */
  readonly points: number;
  readonly readyAt: number;
  /** How long it must be waited for at the most, whatever this clock says later. */
  readonly durationMs: number;
  /** When it was last sent without an answer that says for sure that this did not count. */
  doubtfulSince?: number;
}

export type OfflineQueue = ReturnType<typeof offlineQueue>;

/** Actions in the storage, oldest first. Each change is one synchronous read and write of the whole. */
export function offlineQueue(store: Store) {
  const all = () => store.read<PendingAction[]>('queue') ?? [];
  const others = (id: string) => all().filter((pending) => pending.id !== id);
  const write = (pending: PendingAction[]) => store.write('queue', pending[0] ? pending : null);
  return {
    all,
    find: (id: string) => all().find((pending) => pending.id === id),
    /** Adds it, or replaces what is known of it. */
    put: (pending: PendingAction) =>
      write([...others(pending.id), pending].sort((a, b) => a.doneAt - b.doneAt)),
    remove: (id: string) => write(others(id)),
  };
}
