import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import { Backoff } from '../loop.js';
import { brokenConstraint, isDatabaseUnavailable, SQLSTATE } from '../postgres/errors.js';
import { outOfRange } from './refusals.js';

interface Waiting {
  readonly userId: string;
  /** On the clock of `performance.now()`. */
  readonly arrivedAt: number;
  reject(reason: unknown): void;
}

interface BatchQueueOptions<T> {
  /**
   * One try at one batch. Answers every submission but those that it returns, whose users are locked by somebody else; or
   * throws and has answered none.
   */
  readonly send: (batch: T[]) => Promise<T[]>;
  readonly onError: (error: unknown) => void;
  /** A batch goes out, at this time on the clock of `performance.now()`. */
  readonly onStart?: (batch: readonly T[], at: number) => void;
  /** Called with the number of submissions that were answered together, and the seconds that it took. */
  readonly onFlush?: ((size: number, seconds: number) => void) | undefined;
}

const MAX_BATCH = 256;
const MAX_FLUSHING = 2;
export const MAX_WAITING = 8_192;
/** How long a submission is tried to be written, from its arrival, in milliseconds. */
const PATIENCE_MS = 5_000;
const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 500;
/** Most who lock a user do so for a few milliseconds. */
const FIRST_UNLOCK_MS = 5;
const LAST_UNLOCK_MS = 50;

/**
 * A queue into the ledger. A commit costs far more than a row, so submissions share commits:
 *
 * - *idle*: nothing waits. The first submission starts a batch, together with all that arrive in the same turn of the
 *   event loop.
 * - *flushing*: up to two batches are on their way, each on a connection of its own. Submissions that arrive meanwhile wait
 *   and *fill* the next batch, which goes as soon as a connection is free. There is no timer: a lone submission is written
 *   at once, and under load batches grow by themselves.
 * - *draining*: new submissions are refused, those that wait are still written.
 *
 * No batch waits for the row of a user. Those of users in a batch that is on its way wait for it; those whose users somebody
 * else has locked wait here, apart from the others, and are tried again soon.
 *
 * What fails for a reason that may pass is sent again. A row that PostgreSQL refuses fails alone: its batch is halved until
 * it is found.
 */
export class BatchQueue<T extends Waiting> {
  readonly #options: BatchQueueOptions<T>;
  readonly #waiting: T[] = [];
  /** Users in the batches that are on their way. */
  readonly #underWay = new Set<string>();
  /** Users that were found locked, until they are tried again. */
  readonly #locked = new Set<string>();
  readonly #unlocks = new Map<string, Backoff>();
  #flushing = 0;
  #scheduled = false;
  #draining = false;
  readonly #onDrained: (() => void)[] = [];

  constructor(options: BatchQueueOptions<T>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws Problem `service-unavailable` if too many wait, or the queue is draining */
  add(submission: T): void {
    if (this.#draining) throw new Problem('service-unavailable', 'The service is shutting down.');
    if (this.#waiting.length >= MAX_WAITING)
      throw new Problem('service-unavailable', 'Too many scores are waiting to be written.');
    this.#waiting.push(submission);
    this.#schedule();
  }

  /** Refuses what comes from now on, and resolves when everything that waits is answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#waiting.length === 0 && this.#flushing === 0) return;
    await new Promise<void>((resolve) => this.#onDrained.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing >= MAX_FLUSHING) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#take();
    if (batch.length > 0) {
      const users = new Set(batch.map(({ userId }) => userId));
      for (const userId of users) this.#underWay.add(userId);
      this.#flushing++;
      const start = performance.now();
      this.#options.onStart?.(batch, start);
      if (this.#waiting.length > 0) this.#schedule();
      try {
        const locked = await this.#write(batch);
        const lockedUsers = new Set(locked.map(({ userId }) => userId));
        for (const userId of users) if (!lockedUsers.has(userId)) this.#unlocks.delete(userId);
        this.#postpone(locked, lockedUsers);
      } catch (error) {
        this.#options.onError(error);
        for (const pending of batch) pending.reject(error);
        for (const userId of users) this.#unlocks.delete(userId);
      }
      this.#options.onFlush?.(batch.length, (performance.now() - start) / 1000);
      this.#flushing--;
      for (const userId of users) this.#underWay.delete(userId);
      if (this.#waiting.length > 0) this.#schedule();
    }
    if (this.#waiting.length === 0 && this.#flushing === 0)
      for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  /** The next batch, in the order of arrival. Who cannot go yet stays. */
  #take(): T[] {
    const batch: T[] = [];
    const left: T[] = [];
    let at = 0;
    for (; at < this.#waiting.length && batch.length < MAX_BATCH; at++) {
      const submission = this.#waiting[at];
      if (submission === undefined) continue;
      const { userId } = submission;
      (this.#underWay.has(userId) || this.#locked.has(userId) ? left : batch).push(submission);
    }
    this.#waiting.splice(0, at, ...left);
    return batch;
  }

  /** Tries those of a batch again that have found their users locked: soon, and not the others. */
  #postpone(submissions: readonly T[], users: Iterable<string>): void {
    this.#waiting.unshift(...submissions);
    for (const userId of users) {
      const backoff = this.#unlocks.get(userId) ?? new Backoff(FIRST_UNLOCK_MS, LAST_UNLOCK_MS);
      this.#unlocks.set(userId, backoff);
      this.#locked.add(userId);
      setTimeout(() => {
        this.#locked.delete(userId);
        this.#schedule();
      }, backoff.next());
    }
  }

  /** Writes a batch, trying again as long as the fault may pass. @returns those whose users are locked */
  async #write(batch: T[]): Promise<T[]> {
    const backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
    for (;;) {
      const overdue = performance.now() - PATIENCE_MS;
      const [due, late] = partition(batch, ({ arrivedAt }) => arrivedAt > overdue);
      for (const pending of late) {
        pending.reject(
          new Problem('service-unavailable', 'The score could not be written in time. Try again.'),
        );
      }
      if (due.length === 0) return [];
      batch = due;
      try {
        return await this.#options.send(batch);
      } catch (error) {
        if (isRefused(error)) return await this.#isolate(batch, error);
        if (!isWorthRetrying(error)) throw error;
        if (!isRace(error)) this.#options.onError(error);
      }
      await delay(backoff.next());
    }
  }

  /** Finds the row that PostgreSQL has refused, by halves. */
  async #isolate(batch: T[], error: unknown): Promise<T[]> {
    const [alone, ...others] = batch;
    if (alone !== undefined && others.length === 0) {
      if (isOutOfRange(error)) {
        alone.reject(outOfRange());
      } else {
        this.#options.onError(error);
        alone.reject(error);
      }
      return [];
    }
    const half = batch.length >> 1;
    const locked = await this.#write(batch.slice(0, half));
    // Of each user in the order of arrival. PostgreSQL tells of an error before it gives back the locks.
    const users = new Set(locked.map(({ userId }) => userId));
    const [later, now] = partition(batch.slice(half), ({ userId }) => users.has(userId));
    return [...locked, ...later, ...(await this.#write(now))];
  }
}

/** Whether a score would have left ±(2^53 − 1). */
export const isOutOfRange = (error: unknown): boolean =>
  /^scores_(withheld_)?score_check$/.test(brokenConstraint(error) ?? '');

/** The data of some row cannot be written, now or later: SQLSTATE classes 22 (bad value) and 23 (broken constraint). */
const isRefused = (error: unknown): boolean => /^2[23]/.test(errorCode(error) ?? '') && !isRace(error);

/** Another batch was in the way; it is through by now. */
const isRace = (error: unknown): boolean =>
  brokenConstraint(error) === 'scores_pkey' ||
  // A row was on its way into the default partition when one was attached that is for it. No other constraint has no name.
  (errorCode(error) === SQLSTATE.checkViolation && brokenConstraint(error) === undefined) ||
  errorCode(error) === SQLSTATE.deadlockDetected ||
  errorCode(error) === SQLSTATE.serializationFailure;

const isWorthRetrying = (error: unknown): boolean => isRace(error) || isDatabaseUnavailable(error);

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
