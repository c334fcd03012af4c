import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

const SHORTEST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 1000;

/**
 * Runs one job, never twice at a time and never sooner than `restMs` after its last run ended.
 *
 * - *idle*: `request()` starts a run at the next turn of the event loop, so the caller is done first.
 * - *running*: a request is remembered, for the job may already have read what has changed since.
 * - *resting*: likewise. Afterwards: *running* if anybody asked, else *idle*.
 *
 * A failed run asks again by itself and rests longer each time, up to a second. So after the last request there is
 * always one whole run that succeeds.
 */
export class Pace {
  #asked = false;
  #active = false;

  constructor(
    private readonly job: () => Promise<void>,
    private readonly restMs: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  request(): void {
    this.#asked = true;
    if (!this.#active) void this.#run();
  }

  async #run(): Promise<void> {
    this.#active = true;
    const firstBackoffMs = Math.min(Math.max(this.restMs, SHORTEST_BACKOFF_MS), LONGEST_BACKOFF_MS);
    let backoffMs = firstBackoffMs;
    await nextTurn();
    while (this.#asked) {
      this.#asked = false;
      let restMs = this.restMs;
      try {
        await this.job();
        backoffMs = firstBackoffMs;
      } catch (error) {
        this.#asked = true;
        restMs = backoffMs;
        backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
        this.onError(error);
      }
      await sleep(restMs, undefined, { ref: false });
    }
    this.#active = false;
  }
}
