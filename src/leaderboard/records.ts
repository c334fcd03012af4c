/**
 * Numbered records of one size. A record is a stretch of doubles, which can also be read as words, two to a double.
 * Records lie in large pages: growing copies nothing, and the few objects that lead to them stay in the processor's
 * cache, where each step from object to object would else cost a read of main memory.
 */
export class Records {
  /** The same memory twice, as doubles and as words. */
  readonly #pages: Float64Array[] = [];
  readonly #wordPages: Uint32Array[] = [];
  readonly #size: number;
  readonly #pageBits: number;
  readonly #pageMask: number;
  /** How many numbers were given out, and the last of those given back: its first word is the one before it, plus 1. */
  #count = 0;
  #free = 0;

  /** Sizes are in doubles, that of a page at least that of a record. */
  constructor(size: number, pageSize = 2 ** 15) {
    this.#size = size;
    this.#pageBits = 31 - Math.clz32(pageSize / size);
    this.#pageMask = 2 ** this.#pageBits - 1;
  }

  /** The number of an unused record, from 0; what it holds is not defined. */
  take(): number {
    if (this.#free > 0) {
      const record = this.#free - 1;
      this.#free = this.words(record)[this.wordOf(record)] ?? 0;
      return record;
    }
    if (this.#count >>> this.#pageBits === this.#pages.length) {
      const page = new Float64Array(this.#size << this.#pageBits);
      this.#pages.push(page);
      this.#wordPages.push(new Uint32Array(page.buffer));
    }
    return this.#count++;
  }

  give(record: number): void {
    this.words(record)[this.wordOf(record)] = this.#free;
    this.#free = record + 1;
  }

  /** The page of a record, in which it begins at `startOf`. */
  doubles(record: number): Float64Array {
    const page = this.#pages[record >>> this.#pageBits];
    if (page === undefined) throw new RangeError(`No record ${record}`);
    return page;
  }

  startOf(record: number): number {
    return (record & this.#pageMask) * this.#size;
  }

  /** The same page as words, in which the record begins at `wordOf`. */
  words(record: number): Uint32Array {
    const page = this.#wordPages[record >>> this.#pageBits];
    if (page === undefined) throw new RangeError(`No record ${record}`);
    return page;
  }

  wordOf(record: number): number {
    return 2 * this.startOf(record);
  }
}
