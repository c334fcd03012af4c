/** A row of counts with their sums: a Fenwick tree. Reading and changing one count take O(log n), resizing O(n). */
export class Counts {
  readonly #counts = [0];
  /** At i > 0 the sum of the `i & -i` counts before the i-th. */
  readonly #sums = [0, 0];

  get length(): number {
    return this.#counts.length;
  }

  at(i: number): number {
    return this.#counts[i] ?? 0;
  }

  /** The sum of the counts before the i-th. */
  before(i: number): number {
    let sum = 0;
    for (let at = i; at > 0; at &= at - 1) sum += this.#sums[at] ?? 0;
    return sum;
  }

  /** In which count the `place`-th of all things counted is (0 is the first), and its place among those. */
  find(place: number): { at: number; index: number } {
    let at = 0;
    let index = place;
    for (let step = 2 ** (31 - Math.clz32(this.length)); step >= 1; step /= 2) {
      const sum = this.#sums[at + step] ?? 0;
      if (at + step < this.length && sum <= index) {
        at += step;
        index -= sum;
      }
    }
    return { at, index };
  }

  add(i: number, change: number): void {
    this.#counts[i] = this.at(i) + change;
    for (let at = i + 1; at <= this.length; at += at & -at) this.#sums[at] = (this.#sums[at] ?? 0) + change;
  }

  /** Puts other counts in the place of `removed` counts from the i-th on. */
  replace(i: number, removed: number, ...others: number[]): void {
    this.#counts.splice(i, removed, ...others);
    this.#sums.length = this.length + 1;
    this.#sums.fill(0);
    for (let at = 1; at <= this.length; at++) {
      const sum = (this.#sums[at] ?? 0) + this.at(at - 1);
      const parent = at + (at & -at);
      this.#sums[at] = sum;
      if (parent <= this.length) this.#sums[parent] = (this.#sums[parent] ?? 0) + sum;
    }
  }
}
