/**
 * Numbered records of one size. A record is a stretch of doubles, which can also be read as words, two to a double.
 * Records lie in large pages: growing copies nothing, and the few objects that lead to them stay in the processor's
 * cache, where each step from object to object would otherwise cost a read of main memory. Only the first page grows: it
 * starts with one record and doubles until it is as large as the others, so that a small board costs little.
 */
export class Records {
  /** The same memory twice, as doubles and as words. */
  readonly #pages: Float64Array[] = [];
  readonly #wordPages: Uint32Array[] = [];
  readonly #size: number;
  readonly #pageBits: number;
  readonly #pageMask: number;
  /** How many numbers were given out. */
  #count = 0;
  /** Head of the list of records given back, plus 1; the first word of each is the next one's number, plus 1. */
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
    const page = this.#count >>> this.#pageBits;
    if (page > 0 && page === this.#pages.length) this.#setPage(page, this.#size << this.#pageBits);
    if (page === 0 && this.#count * this.#size === (this.#pages[0]?.length ?? 0)) this.#growFirstPage();
    return this.#count++;
  }

  /** Memory of all pages. */
  get bytes(): number {
    return this.#pages.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  #growFirstPage(): void {
    const grown = Math.min(Math.max(2 * this.#count, 1), this.#pageMask + 1);
    this.#setPage(0, grown * this.#size);
  }

  #setPage(page: number, length: number): void {
    const doubles = new Float64Array(length);
    doubles.set(this.#pages[page] ?? []);
    this.#pages[page] = doubles;
    this.#wordPages[page] = new Uint32Array(doubles.buffer);
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
