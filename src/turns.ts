import { Problem } from './errors.js';

/** Lets only so many pieces of work run at a time; the others wait their turn. */
export class Turns {
  readonly #max: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number, maxWaiting = Number.POSITIVE_INFINITY) {
    this.#max = max;
    this.#maxWaiting = maxWaiting;
  }

  /** @throws Problem `service-unavailable` if too much is waiting already */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) {
      if (this.#waiting.length >= this.#maxWaiting)
        throw new Problem('service-unavailable', 'Too much is waiting.');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The turn is handed on, not given back: nobody can slip in between.
      if (next) next();
      else this.#running--;
    }
  }
}
