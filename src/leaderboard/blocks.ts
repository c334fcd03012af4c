import { Records } from './records.js';

/** Doubles in a line of the processor's cache. */
const LINE = 8;

/**
 * Blocks of items in order of their keys. An item is a key, a reference (what it stands for) and, if the blocks are
 * `counted`, how many entries are behind it.
 *
 * A block is a record: its length as a word, then all keys, all references and all counts.
 */
export class Blocks {
  readonly capacity: number;
  readonly #records: Records;
  readonly #isCounted: boolean;

  constructor(capacity: number, isCounted: boolean) {
    this.capacity = capacity;
    this.#isCounted = isCounted;
    this.#records = new Records(1 + capacity + (isCounted ? capacity : Math.ceil(capacity / 2)));
  }

  /** A new block, without items. */
  take(): number {
    const block = this.#records.take();
    this.#setLength(block, 0);
    return block;
  }

  give(block: number): void {
    this.#records.give(block);
  }

  lengthOf(block: number): number {
    return this.#records.words(block)[this.#records.wordOf(block)] ?? 0;
  }

  isFull(block: number): boolean {
    return this.lengthOf(block) === this.capacity;
  }

  key(block: number, at: number): number {
    return this.#records.doubles(block)[this.#keysOf(block) + at] ?? NaN;
  }

  setKey(block: number, at: number, key: number): void {
    this.#records.doubles(block)[this.#keysOf(block) + at] = key;
  }

  reference(block: number, at: number): number {
    return this.#records.words(block)[this.#referencesOf(block) + at] ?? 0;
  }

  count(block: number, at: number): number {
    return this.#isCounted ? (this.#records.words(block)[this.#countsOf(block) + at] ?? 0) : 1;
  }

  addCount(block: number, at: number, change: number): void {
    const words = this.#records.words(block);
    const word = this.#countsOf(block) + at;
    words[word] = (words[word] ?? 0) + change;
  }

  /** The sum of the counts before an item. */
  countBefore(block: number, at: number): number {
    const words = this.#records.words(block);
    const start = this.#countsOf(block);
    let sum = 0;
    for (let word = start; word < start + at; word++) sum += words[word] ?? 0;
    return sum;
  }

  /** How many items have a lower key. */
  lower(block: number, length: number, key: number): number {
    const doubles = this.#records.doubles(block);
    const start = this.#records.startOf(block) + 1;
    const end = start + length;
    let at = start;
    // Line by line, as the processor then fetches several at once; in a binary search one waits for the other.
    while (at + LINE <= end && (doubles[at + LINE - 1] ?? NaN) < key) at += LINE;
    while (at < end && (doubles[at] ?? NaN) < key) at++;
    return at - start;
  }

  /** Where among the items of this key, the first of which is at `from`, there is this reference; `length` if nowhere. */
  find(block: number, from: number, length: number, key: number, reference: number): number {
    for (let at = from; at < length && this.key(block, at) === key; at++) {
      if (this.reference(block, at) === reference) return at;
    }
    return length;
  }

  /** Puts an item before the one at this place. */
  insert(block: number, length: number, at: number, key: number, reference: number, count: number): void {
    const doubles = this.#records.doubles(block);
    const words = this.#records.words(block);
    const start = this.#records.startOf(block) + 1;
    for (let i = start + length; i > start + at; i--) doubles[i] = doubles[i - 1] ?? NaN;
    doubles[start + at] = key;
    putBefore(words, 2 * (start + this.capacity) + at, length - at, reference);
    if (this.#isCounted) putBefore(words, 2 * start + 3 * this.capacity + at, length - at, count);
    words[2 * start - 2] = length + 1;
  }

  delete(block: number, length: number, at: number): void {
    const doubles = this.#records.doubles(block);
    const words = this.#records.words(block);
    const start = this.#records.startOf(block) + 1;
    const last = length - 1;
    for (let i = start + at; i < start + last; i++) doubles[i] = doubles[i + 1] ?? NaN;
    takeOut(words, 2 * (start + this.capacity) + at, last - at);
    if (this.#isCounted) takeOut(words, 2 * start + 3 * this.capacity + at, last - at);
    words[2 * start - 2] = last;
  }

  /** Moves the items from this place on to the end of another block. */
  move(block: number, from: number, target: number): void {
    let end = this.lengthOf(target);
    for (let at = from; at < this.lengthOf(block); at++) {
      this.insert(target, end, end, this.key(block, at), this.reference(block, at), this.count(block, at));
      end += 1;
    }
    this.#setLength(block, from);
  }

  #setLength(block: number, length: number): void {
    this.#records.words(block)[this.#records.wordOf(block)] = length;
  }

  #keysOf(block: number): number {
    return this.#records.startOf(block) + 1;
  }

  #referencesOf(block: number): number {
    return this.#records.wordOf(block) + 2 + 2 * this.capacity;
  }

  #countsOf(block: number): number {
    return this.#records.wordOf(block) + 2 + 3 * this.capacity;
  }
}

/** Moves `count` words from here on one up, and puts another in the gap. */
function putBefore(words: Uint32Array, at: number, count: number, word: number): void {
  for (let i = at + count; i > at; i--) words[i] = words[i - 1] ?? 0;
  words[at] = word;
}

/** Moves the `count` words behind this one down. */
function takeOut(words: Uint32Array, at: number, count: number): void {
  for (let i = at; i < at + count; i++) words[i] = words[i + 1] ?? 0;
}
