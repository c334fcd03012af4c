import type { Store } from './storage.js';

/** A finished action that is not known to be counted yet. */
export interface PendingAction {
  readonly id: string;
  readonly action: string;
  readonly points?: number;
  readonly metadata?: Record<string, unknown>;
  /** Who did it; not known until there is a session. */
  readonly userId?: string;
  /** When it was done, by the clock of this device, in milliseconds. */
  readonly doneAt: number;
  readonly token?: HeldToken;
}

/** An action token, with times by the clock of this device, in milliseconds. */
export interface HeldToken {
  readonly actionToken: string;
  readonly points: { readonly min: number; readonly max: number };
  readonly readyAt: number;
  /** How long it had to be waited for at the most, whatever this clock says now. */
  readonly durationMs: number;
  /** When it was last sent without an answer that says for sure that it did not count. */
  readonly doubtfulSince?: number;
}

const CAPACITY = 64;

/** Actions in the storage, oldest first; 64 at the most. Each change is one synchronous read and write of the whole. */
export class OfflineQueue {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get all(): readonly PendingAction[] {
    return this.#store.read<PendingAction[]>('queue') ?? [];
  }

  get isFull(): boolean {
    return this.all.length >= CAPACITY;
  }

  has(id: string): boolean {
    return this.all.some((pending) => pending.id === id);
  }

  /** Adds it, or replaces what is known of it. */
  put(pending: PendingAction): void {
    const all = this.all.map((known) => (known.id === pending.id ? pending : known));
    this.#write(all.includes(pending) ? all : [...all, pending]);
  }

  remove(id: string): void {
    this.#write(this.all.filter((pending) => pending.id !== id));
  }

  #write(all: readonly PendingAction[]): void {
    this.#store.write('queue', all.length > 0 ? all : null);
  }
}
