import { lostTime } from './lost-time.js';

/** A run during which the process has lost so much time, in milliseconds, may have failed because of that alone. */
const HELD_UP_MS = 500;

interface LoopOptions {
  /** Runs the job unasked as well, this long after its last run ended, in milliseconds. */
  readonly everyMs?: number;
  /** The least time from the start of a run to the start of the next, in milliseconds. */
  readonly restMs?: number;
  /** How long the loop waits after a first failure, in milliseconds; twice as long after each further one. */
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** The job has failed and will be tried again. A process that was held up tries again first: see HELD_UP_MS. */
  readonly onError: (error: unknown) => void;
}

/**
 * Runs one job again and again, never twice at a time.
 *
 * - *idle*: `request()` starts a run at the next turn of the event loop, so the caller is done first. With `everyMs`, and
 *   once `start()` was called, a timer starts runs as well.
 * - *busy*: a run is under way, less than `restMs` have passed since it began, or it has failed and the back-off is not over.
 *   A request is remembered, also during a run: the job may already have read what has changed since.
 *
 * A run that fails is repeated until one succeeds. So a request is always followed by a whole run that succeeds, unless the
 * loop is stopped. Timers do not keep the process alive.
 */
export class Loop {
  readonly #job: (signal: AbortSignal) => Promise<void>;
  readonly #options: LoopOptions;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #requested = false;
  /** Whether the last run has failed. */
  #hasFailed = false;
  /** What the next run waits for: the end of the last one, its rest, its back-off. */
  #pauses = 0;
  #running: Promise<void> | undefined;
  #rest: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param job its signal aborts when the loop is stopped; what it throws then is not reported */
  constructor(job: (signal: AbortSignal) => Promise<void>, options: LoopOptions) {
    this.#job = job;
    this.#options = options;
    this.#backoff = new Backoff(options.firstBackoffMs, options.maxBackoffMs);
  }

  /** Begins the schedule of `everyMs`; the first run is after `delayMs`. */
  start(delayMs = this.#options.everyMs ?? 0): this {
    if (this.#pauses === 0) this.#runAfter(delayMs);
    return this;
  }

  /** Runs the job soon. Requests that come before that run begins share it. */
  request(): void {
    const alreadyDue = this.#requested;
    this.#requested = true;
    if (this.#pauses === 0 && !alreadyDue) this.#runNextTurn();
  }

  /** For a run under way that has done nothing which `restMs` is for: the next may begin as soon as this one has ended. */
  skipRest(): void {
    if (this.#rest === undefined) return;
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#pauses--;
  }

  /** Starts no further run, and resolves when the one that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#rest);
    clearTimeout(this.#timer);
    await this.#running;
  }

  #runNextTurn(): void {
    // The timer may have run the job in the meantime.
    setImmediate(() => this.#runIfRequested());
  }

  #runAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#requested = true;
      this.#runIfRequested();
    }, ms).unref();
  }

  #runIfRequested(): void {
    if (!this.#requested || this.#pauses > 0 || this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#requested = false;
    this.#pauses = 1;
    const { restMs = 0 } = this.#options;
    if (restMs > 0) {
      this.#pauses++;
      this.#rest = setTimeout(() => {
        this.skipRest();
        this.#runIfRequested();
      }, restMs).unref();
    }
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { everyMs, onError } = this.#options;
    const { signal } = this.#stopping;
    const lost = lostTime();
    try {
      await this.#job(signal);
      this.#backoff.reset();
      this.#hasFailed = false;
    } catch (error) {
      const isExcused = !this.#hasFailed && lostTime() - lost >= HELD_UP_MS;
      this.#hasFailed = true;
      if (!signal.aborted && !isExcused) onError(error);
    }
    if (signal.aborted) return;
    if (this.#hasFailed) {
      this.#requested = true;
      this.#pauses++;
      this.#timer = setTimeout(() => {
        this.#pauses--;
        this.#runIfRequested();
      }, this.#backoff.next()).unref();
    } else if (everyMs !== undefined) {
      this.#runAfter(everyMs);
    }
    this.#pauses--;
    // In a turn of its own: a job that asks for itself must leave others a turn.
    if (this.#requested) this.#runNextTurn();
  }
}

/** How long to wait between tries: twice as long each time, up to a limit. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #ms: number;

  constructor(firstMs = 100, maxMs = 1_000) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#ms = firstMs;
  }

  /** How long to wait before the next try, in milliseconds. Varied, so that instances that fail together do not try together. */
  next(): number {
    const ms = this.#ms;
    this.#ms = Math.min(ms * 2, this.#maxMs);
    return ms * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#ms = this.#firstMs;
  }
}
