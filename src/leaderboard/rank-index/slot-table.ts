import { Records } from './records.js';

/**
 * A hash table of slot numbers. It is extendible: small tables of one size behind a directory, and a table that fills
 * up splits in two. So no insertion ever rehashes everything, which at millions of users would stall the process.
 */
const CELLS = 1024;
const MOST_USED = 0.7 * CELLS;
/** A cell is a hash and a slot side by side; slot 0 marks it empty. */
const CELL = 2;
const WRAP = CELLS * CELL - 1;
/** After its cells a table has two words: how many are used, and in how many low bits all its hashes agree. */
const USED = CELLS * CELL;
const DEPTH = USED + 1;

/** No slot of a user has this number. */
export const NO_SLOT = 0;

/** Hashes are 32-bit unsigned integers and must be well mixed: users with equal hashes share a table for good. */
export class SlotTable {
  readonly #tables = new Records(CELLS + 1);
  /** By the low bits of a hash. A table of less depth than the directory stands in it several times. */
  #directory = [this.#newTable(0)];

  get bytes(): number {
    return this.#tables.bytes + 8 * this.#directory.length;
  }

  /** The slot under this hash for which `matches` holds, or NO_SLOT. */
  find(hash: number, matches: (slot: number) => boolean): number {
    const table = this.#tableOf(hash);
    const words = this.#tables.words(table);
    const start = this.#tables.wordOf(table);
    for (let cell = homeOf(hash); ; cell = next(cell)) {
      const slot = words[start + cell + 1] ?? NO_SLOT;
      if (slot === NO_SLOT || (words[start + cell] === hash && matches(slot))) return slot;
    }
  }

  /** Adds a slot that is not in the table yet. */
  add(hash: number, slot: number): void {
    while (this.#word(this.#tableOf(hash), USED) >= MOST_USED) this.#split(hash);
    this.#put(this.#tableOf(hash), hash, slot);
  }

  /** Takes out a slot that is in the table. */
  delete(hash: number, slot: number): void {
    const table = this.#tableOf(hash);
    let hole = homeOf(hash);
    while (this.#word(table, hole + 1) !== slot) hole = next(hole);
    // Close the gap: whatever follows moves up, unless that would put it before its home.
    for (let cell = next(hole); this.#word(table, cell + 1) !== NO_SLOT; cell = next(cell)) {
      const moved = this.#word(table, cell);
      if (((cell - homeOf(moved)) & WRAP) < ((cell - hole) & WRAP)) continue;
      this.#setWord(table, hole, moved);
      this.#setWord(table, hole + 1, this.#word(table, cell + 1));
      hole = cell;
    }
    this.#setWord(table, hole + 1, NO_SLOT);
    this.#setWord(table, USED, this.#word(table, USED) - 1);
  }

  #tableOf(hash: number): number {
    return this.#directory[hash & (this.#directory.length - 1)] ?? 0;
  }

  #split(hash: number): void {
    const full = this.#tableOf(hash);
    const depth = this.#word(full, DEPTH);
    if (2 ** depth === this.#directory.length) this.#directory = [...this.#directory, ...this.#directory];
    const halves = [this.#newTable(depth + 1), this.#newTable(depth + 1)] as const;
    const half = (bits: number) => halves[(bits >>> depth) & 1 ? 1 : 0];
    for (let cell = 0; cell < USED; cell += CELL) {
      const slot = this.#word(full, cell + 1);
      const kept = this.#word(full, cell);
      if (slot !== NO_SLOT) this.#put(half(kept), kept, slot);
    }
    this.#tables.give(full);
    const step = 2 ** depth;
    for (let i = hash & (step - 1); i < this.#directory.length; i += step) this.#directory[i] = half(i);
  }

  #newTable(depth: number): number {
    const table = this.#tables.take();
    const start = this.#tables.wordOf(table);
    this.#tables.words(table).fill(NO_SLOT, start, start + USED + 1);
    this.#setWord(table, DEPTH, depth);
    return table;
  }

  #put(table: number, hash: number, slot: number): void {
    let cell = homeOf(hash);
    while (this.#word(table, cell + 1) !== NO_SLOT) cell = next(cell);
    this.#setWord(table, cell, hash);
    this.#setWord(table, cell + 1, slot);
    this.#setWord(table, USED, this.#word(table, USED) + 1);
  }

  #word(table: number, at: number): number {
    return this.#tables.words(table)[this.#tables.wordOf(table) + at] ?? 0;
  }

  #setWord(table: number, at: number, word: number): void {
    this.#tables.words(table)[this.#tables.wordOf(table) + at] = word;
  }
}

/** From the high bits of the hash, since the directory uses the low ones. */
function homeOf(hash: number): number {
  return (hash >>> 22) * CELL;
}

function next(cell: number): number {
  return (cell + CELL) & WRAP;
}
