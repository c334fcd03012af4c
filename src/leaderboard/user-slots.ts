import { idFromWords, readIdWords } from '../ids.js';
import { NO_SLOT, SlotTable } from './slot-table.js';

/**
 * A row is 40 bytes in one stretch: key, achievedAt and version as doubles, then the user id as four words. Rows live
 * in pages, so growing copies nothing.
 */
const DOUBLES = 5;
const WORDS = 2 * DOUBLES;
const ID = 6;
const PAGE_BITS = 9;
const PAGE_ROWS = 2 ** PAGE_BITS;

/** The slot of no user: its row holds the position that is being looked for. */
export const SOUGHT = NO_SLOT;

/** The users of one board, each in a numbered slot with what decides their place. */
export class UserSlots {
  /** The same memory twice, as doubles and as words. */
  readonly #pages: Float64Array[] = [];
  readonly #wordPages: Uint32Array[] = [];
  readonly #table = new SlotTable();
  /** How many slots there are, and the first of those given back: each of them holds the next one as its key. */
  #slots = 0;
  #free = NO_SLOT;
  readonly #isSought = (slot: number) => this.compareIds(slot, SOUGHT) === 0;

  constructor() {
    this.#take();
  }

  /** The user's slot, or NO_SLOT. */
  find(userId: string): number {
    if (!readIdWords('usr', userId, this.#words(SOUGHT), wordOf(SOUGHT))) return NO_SLOT;
    return this.#table.find(this.#hash(SOUGHT), this.#isSought);
  }

  /** A slot for a user who has none yet. Throws a TypeError if this is no user id. */
  add(userId: string): number {
    this.setId(SOUGHT, userId); // throws before anything has changed
    const slot = this.#take();
    this.setId(slot, userId);
    this.#table.add(this.#hash(slot), slot);
    return slot;
  }

  delete(slot: number): void {
    this.#table.delete(this.#hash(slot), slot);
    this.set(slot, this.#free, 0, 0);
    this.#free = slot;
  }

  /** Throws a TypeError if this is no user id. */
  setId(slot: number, userId: string): void {
    if (!readIdWords('usr', userId, this.#words(slot), wordOf(slot))) {
      throw new TypeError(`Not a user id: ${userId}`);
    }
  }

  set(slot: number, key: number, achievedAt: number, version: number): void {
    const doubles = this.#doubles(slot);
    const at = doubleOf(slot);
    doubles[at] = key;
    doubles[at + 1] = achievedAt;
    doubles[at + 2] = version;
  }

  key(slot: number): number {
    return this.#doubles(slot)[doubleOf(slot)] ?? NaN;
  }

  achievedAt(slot: number): number {
    return this.#doubles(slot)[doubleOf(slot) + 1] ?? NaN;
  }

  version(slot: number): number {
    return this.#doubles(slot)[doubleOf(slot) + 2] ?? NaN;
  }

  userId(slot: number): string {
    return idFromWords('usr', this.#words(slot), wordOf(slot));
  }

  /** Negative if the user of slot `a` comes before that of slot `b`. */
  compareIds(a: number, b: number): number {
    const left = this.#words(a);
    const right = this.#words(b);
    for (let i = 0; i < 4; i++) {
      const difference = (left[wordOf(a) + i] ?? 0) - (right[wordOf(b) + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #take(): number {
    const slot = this.#free;
    if (slot !== NO_SLOT) {
      this.#free = this.key(slot);
      return slot;
    }
    if (this.#slots % PAGE_ROWS === 0) {
      const page = new Float64Array(PAGE_ROWS * DOUBLES);
      this.#pages.push(page);
      this.#wordPages.push(new Uint32Array(page.buffer));
    }
    return this.#slots++;
  }

  #hash(slot: number): number {
    const words = this.#words(slot);
    let hash = 0;
    for (let i = 0; i < 4; i++) {
      hash = Math.imul(hash ^ (words[wordOf(slot) + i] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return Math.imul(hash, 0x85ebca6b) ^ (hash >>> 13);
  }

  #doubles(slot: number): Float64Array {
    const page = this.#pages[slot >>> PAGE_BITS];
    if (page === undefined) throw new RangeError(`No slot ${slot}`);
    return page;
  }

  #words(slot: number): Uint32Array {
    const page = this.#wordPages[slot >>> PAGE_BITS];
    if (page === undefined) throw new RangeError(`No slot ${slot}`);
    return page;
  }
}

function doubleOf(slot: number): number {
  return (slot % PAGE_ROWS) * DOUBLES;
}

/** Where the id begins. */
function wordOf(slot: number): number {
  return (slot % PAGE_ROWS) * WORDS + ID;
}
