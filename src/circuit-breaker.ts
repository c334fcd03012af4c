/** Remembers that something has failed, so that for a while nobody waits for it in vain. */
export class CircuitBreaker {
  readonly #restMs: number;
  /** On the clock of `performance.now()`. */
  #openUntil = 0;

  /** @param restMs how long it is left alone after a failure, in milliseconds */
  constructor(restMs: number) {
    this.#restMs = restMs;
  }

  /** Whether it is to be left alone. */
  get isOpen(): boolean {
    return performance.now() < this.#openUntil;
  }

  /** It has failed just now. */
  trip(): void {
    this.#openUntil = performance.now() + this.#restMs;
  }
}
