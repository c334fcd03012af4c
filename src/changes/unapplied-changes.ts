import { Loop } from '../loop.js';

/** The writer of a change has this long to apply it, in milliseconds. */
const GRACE_MS = 500;
const CHECK_EVERY_MS = 100;
/** A writer may report a change as applied before the change itself arrives, on another connection. */
const REMEMBERED_MS = 10_000;
const MAX_EXPECTED = 50_000;
const MAX_APPLIED = 50_000;

/** Applies a change, or sees to it, instead of its writer. */
type OnOverdue = () => void | Promise<void>;

interface Expected {
  readonly dueAt: number;
  /** One for each part of the change. */
  readonly callbacks: readonly OnOverdue[];
}

/**
 * Committed changes whose writer has not reported yet that it has applied them. One that stays unreported is overdue: its writer
 * may have died between the commit and the projection.
 */
export class UnappliedChanges {
  /** In the order of `dueAt`. */
  readonly #expected = new Map<string, Expected>();
  /** What was applied lately: until when each is remembered, in that order. A change may come in several parts. */
  readonly #applied = new Map<string, number>();
  /** Those that somebody else is applying instead of their writer. */
  readonly #overdue = new Set<string>();
  readonly #waiting = new Set<{ readonly changes: Set<string>; readonly resolve: () => void }>();
  readonly #onError: (error: unknown) => void;
  readonly #checks: Loop;

  /** @param onError a callback has thrown */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#checks = new Loop(async () => this.#check(), { everyMs: CHECK_EVERY_MS, onError }).start();
  }

  /**
   * Calls `onOverdue` if the change is not reported as applied to this board within half a second.
   * @returns false if too many changes are expected already: then this one is not
   */
  expect(board: string, changeId: string, onOverdue: OnOverdue): boolean {
    const key = keyOf(board, changeId);
    if (this.#applied.has(key)) return true;
    if (this.#expected.size >= MAX_EXPECTED) return false;
    const callbacks = [...(this.#expected.get(key)?.callbacks ?? []), onOverdue];
    this.#expected.delete(key);
    this.#expected.set(key, { dueAt: performance.now() + GRACE_MS, callbacks });
    return true;
  }

  applied(board: string, changeId: string): void {
    const key = keyOf(board, changeId);
    if (this.#expected.delete(key)) this.#settle(key);
    this.#applied.delete(key);
    if (this.#applied.size < MAX_APPLIED) this.#applied.set(key, performance.now() + REMEMBERED_MS);
  }

  /** Resolves when every change that is expected now has been applied, by its writer or instead of it. */
  async settled(): Promise<void> {
    const changes = new Set([...this.#expected.keys(), ...this.#overdue]);
    if (changes.size > 0) await new Promise<void>((resolve) => this.#waiting.add({ changes, resolve }));
  }

  #settle(key: string): void {
    for (const waiting of this.#waiting) {
      if (!waiting.changes.delete(key) || waiting.changes.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  close(): Promise<void> {
    return this.#checks.stop();
  }

  async #apply(key: string, callbacks: readonly OnOverdue[]): Promise<void> {
    try {
      await Promise.all(callbacks.map(async (onOverdue) => onOverdue()));
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#overdue.delete(key);
      this.#settle(key);
    }
  }

  #check(): void {
    const now = performance.now();
    for (const [key, { dueAt, callbacks }] of this.#expected) {
      if (dueAt > now) break;
      this.#expected.delete(key);
      this.#overdue.add(key);
      void this.#apply(key, callbacks);
    }
    for (const [key, until] of this.#applied) {
      if (until > now) break;
      this.#applied.delete(key);
    }
  }
}

const keyOf = (board: string, changeId: string): string => `${board} ${changeId}`;
