import { Records } from './records.js';

/** An item is two doubles: its key, then as words a reference and a count. */
const ITEM = 2;
/** Items in a line of the processor's cache. */
const LINE = 4;

/**
 * Blocks of items in order of their keys. Each item refers to something, a slot or another block, and has a count of
 * the entries there. The three numbers lie side by side, because they are needed together.
 *
 * A block is a record: its length as a word, then the items. Callers pass the length where they know it, which saves a
 * read of that word.
 */
export class Blocks {
  readonly capacity: number;
  readonly #records: Records;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#records = new Records(1 + ITEM * capacity);
  }

  get bytes(): number {
    return this.#records.bytes;
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

  key(block: number, at: number): number {
    return this.#records.doubles(block)[this.#itemOf(block, at)] ?? NaN;
  }

  setKey(block: number, at: number, key: number): void {
    this.#records.doubles(block)[this.#itemOf(block, at)] = key;
  }

  reference(block: number, at: number): number {
    return this.#records.words(block)[2 * this.#itemOf(block, at) + 2] ?? 0;
  }

  count(block: number, at: number): number {
    return this.#records.words(block)[2 * this.#itemOf(block, at) + 3] ?? 0;
  }

  addCount(block: number, at: number, change: number): void {
    const words = this.#records.words(block);
    const word = 2 * this.#itemOf(block, at) + 3;
    words[word] = (words[word] ?? 0) + change;
  }

  /** The sum of the counts before an item. */
  countBefore(block: number, at: number): number {
    const words = this.#records.words(block);
    const end = 2 * this.#itemOf(block, at) + 3;
    let sum = 0;
    for (let word = 2 * this.#itemOf(block, 0) + 3; word < end; word += 2 * ITEM) sum += words[word] ?? 0;
    return sum;
  }

  /** How many items have a lower key. */
  lower(block: number, length: number, key: number): number {
    const doubles = this.#records.doubles(block);
    const start = this.#itemOf(block, 0);
    let at = 0;
    // Line by line, so that the processor fetches several at once; in a binary search each read waits for the last.
    while (at + LINE <= length && (doubles[start + ITEM * (at + LINE - 1)] ?? NaN) < key) at += LINE;
    while (at < length && (doubles[start + ITEM * at] ?? NaN) < key) at++;
    return at;
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
    const item = this.#itemOf(block, at);
    for (let i = item + ITEM * (length - at) - 1; i >= item; i--) doubles[i + ITEM] = doubles[i] ?? NaN;
    doubles[item] = key;
    words[2 * item + 2] = reference;
    words[2 * item + 3] = count;
    this.#setLength(block, length + 1);
  }

  delete(block: number, length: number, at: number): void {
    const doubles = this.#records.doubles(block);
    const end = this.#itemOf(block, length - 1);
    for (let i = this.#itemOf(block, at); i < end; i++) doubles[i] = doubles[i + ITEM] ?? NaN;
    this.#setLength(block, length - 1);
  }

  /** Moves the items from this place on to the end of another block. */
  move(block: number, from: number, target: number): void {
    const length = this.lengthOf(block);
    const end = this.lengthOf(target);
    const moved = this.#records
      .doubles(block)
      .subarray(this.#itemOf(block, from), this.#itemOf(block, length));
    this.#records.doubles(target).set(moved, this.#itemOf(target, end));
    this.#setLength(block, from);
    this.#setLength(target, end + length - from);
  }

  #setLength(block: number, length: number): void {
    this.#records.words(block)[this.#records.wordOf(block)] = length;
  }

  /** Where an item begins. */
  #itemOf(block: number, at: number): number {
    return this.#records.startOf(block) + 1 + ITEM * at;
  }
}
