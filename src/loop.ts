interface LoopOptions {
  /** Runs the job unasked as well, this long after its last run ended, in milliseconds. */
  readonly everyMs?: number;
  /** The least time between two runs, in milliseconds. */
  readonly restMs?: number;
  /** How long the loop waits after a first failure, in milliseconds; twice as long after each further one. */
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** The job has failed and will be tried again. */
  readonly onError: (error: unknown) => void;
}

/**
 * Runs one job again and again, never twice at a time.
 *
 * - *idle*: `request()` starts a run at the next turn of the event loop, so the caller is done first. With `everyMs`, and
 *   once `start()` was called, a timer starts runs as well.
 * - *running*: a request is remembered, because the job may already have read what has changed since.
 * - *resting*, for `restMs`, or for the back-off after a failure: a request is remembered.
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
  #state: 'idle' | 'running' | 'resting' = 'idle';
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param job its signal aborts when the loop is stopped; what it throws then is not reported */
  constructor(job: (signal: AbortSignal) => Promise<void>, options: LoopOptions) {
    this.#job = job;
    this.#options = options;
    this.#backoff = new Backoff(options.firstBackoffMs, options.maxBackoffMs);
  }

  /** Begins the schedule of `everyMs`; the first run is after `delayMs`. */
  start(delayMs = this.#options.everyMs ?? 0): this {
    if (this.#state === 'idle') this.#runAfter(delayMs);
    return this;
  }

  /** Runs the job soon. Requests that come before that run begins share it. */
  request(): void {
    const alreadyDue = this.#requested;
    this.#requested = true;
    if (this.#state !== 'idle' || alreadyDue) return;
    setImmediate(() => {
      // The timer may have run the job in the meantime.
      if (this.#requested) this.#run();
    });
  }

  /** Starts no further run, and resolves when the one that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #runAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopping.signal.aborted) this.#timer = setTimeout(() => this.#run(), ms).unref();
  }

  #run(): void {
    if (this.#state !== 'idle' || this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#state = 'running';
    this.#requested = false;
    this.#running = this.#runJob();
  }

  async #runJob(): Promise<void> {
    const { restMs = 0, everyMs, onError } = this.#options;
    const { signal } = this.#stopping;
    let rest = restMs;
    try {
      await this.#job(signal);
      this.#backoff.reset();
    } catch (error) {
      this.#requested = true;
      rest = Math.max(restMs, this.#backoff.next());
      if (!signal.aborted) onError(error);
    }
    if (signal.aborted) return;
    this.#state = 'resting';
    this.#timer = setTimeout(() => {
      this.#state = 'idle';
      if (this.#requested) this.#run();
      else if (everyMs !== undefined) this.#runAfter(Math.max(everyMs - rest, 0));
    }, rest).unref();
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
