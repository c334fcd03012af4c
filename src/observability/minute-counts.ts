const MINUTE_MS = 60_000;

/** Counts of something in each of the last minutes. */
export class MinuteCounts {
  readonly #counts: number[];
  /** The minute that was counted last, since 1970. */
  #minute = 0;

  constructor(minutes: number) {
    this.#counts = Array<number>(minutes).fill(0);
  }

  add(ms: number): void {
    this.#turn(ms);
    const i = this.#minute % this.#counts.length;
    this.#counts[i] = (this.#counts[i] ?? 0) + 1;
  }

  /** Oldest first; the last is of the minute that is not over. */
  read(ms: number): number[] {
    this.#turn(ms);
    const next = (this.#minute + 1) % this.#counts.length;
    return [...this.#counts.slice(next), ...this.#counts.slice(0, next)];
  }

  /** Empties the places of minutes that have begun since. */
  #turn(ms: number): void {
    const minute = Math.floor(ms / MINUTE_MS);
    const begun = Math.min(minute - this.#minute, this.#counts.length);
    for (let i = 0; i < begun; i++) this.#counts[(minute - i) % this.#counts.length] = 0;
    this.#minute = Math.max(this.#minute, minute);
  }
}
