import { withDeadline } from '../deadline.js';

const TIME_LIMIT_MS = 1_000;
const GOOD_FOR_MS = 1_000;

/** Asks whether something answers, however often it is asked itself: at most once a second, for at most a second. */
export class HealthCheck {
  readonly #ask: () => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #isReported = false;
  #answer: Promise<boolean> | undefined;

  /** @param ask may throw: that counts as a no, and is reported to `onError`, once until the check passes again */
  constructor(ask: () => Promise<boolean>, onError: (error: unknown) => void) {
    this.#ask = ask;
    this.#onError = onError;
  }

  passes(): Promise<boolean> {
    this.#answer ??= this.#run().finally(() => {
      setTimeout(() => {
        this.#answer = undefined;
      }, GOOD_FOR_MS).unref();
    });
    return this.#answer;
  }

  async #run(): Promise<boolean> {
    try {
      const late = `There was no answer within ${TIME_LIMIT_MS} ms`;
      const passes = await withDeadline(this.#ask(), TIME_LIMIT_MS, late);
      this.#isReported = false;
      return passes;
    } catch (error) {
      if (!this.#isReported) this.#onError(error);
      this.#isReported = true;
      return false;
    }
  }
}
