/**
 * A hash table of slot numbers. It is extendible: small tables of one size behind a directory, and a table that fills
 * up splits in two. So no insertion ever rehashes everything, which at millions of users would stall the process.
 */
const CELLS = 1024;
const MOST_USED = 0.7 * CELLS;
/** A cell is a hash and a slot side by side; slot 0 marks it empty. */
const CELL = 2;
const WRAP = CELLS * CELL - 1;

/** No slot of a user has this number. */
export const NO_SLOT = 0;

interface Table {
  /** In how many low bits all hashes of this table agree. */
  readonly depth: number;
  readonly cells: Int32Array;
  used: number;
}

/** Hashes are 32-bit signed integers and must be well mixed: users with equal hashes share a table for good. */
export class SlotTable {
  /** By the low bits of a hash. A table of less depth than the directory stands in it several times. */
  #directory = [newTable(0)];

  /** The slot under this hash for which `matches` holds, or NO_SLOT. */
  find(hash: number, matches: (slot: number) => boolean): number {
    const { cells } = this.#tableOf(hash);
    for (let cell = homeOf(hash); ; cell = next(cell)) {
      const slot = cells[cell + 1] ?? NO_SLOT;
      if (slot === NO_SLOT || (cells[cell] === hash && matches(slot))) return slot;
    }
  }

  /** Adds a slot that is not in the table yet. */
  add(hash: number, slot: number): void {
    while (this.#tableOf(hash).used >= MOST_USED) this.#split(hash);
    put(this.#tableOf(hash), hash, slot);
  }

  /** Takes out a slot that is in the table. */
  delete(hash: number, slot: number): void {
    const table = this.#tableOf(hash);
    const { cells } = table;
    let hole = homeOf(hash);
    while (cells[hole + 1] !== slot) hole = next(hole);
    // Close the gap: whatever follows moves up, unless that would put it before its home.
    for (let cell = next(hole); cells[cell + 1] !== NO_SLOT; cell = next(cell)) {
      const home = homeOf(cells[cell] ?? 0);
      if (((cell - home) & WRAP) < ((cell - hole) & WRAP)) continue;
      cells.copyWithin(hole, cell, cell + CELL);
      hole = cell;
    }
    cells[hole + 1] = NO_SLOT;
    table.used -= 1;
  }

  #tableOf(hash: number): Table {
    const table = this.#directory[hash & (this.#directory.length - 1)];
    if (table === undefined) throw new RangeError('The directory has a gap');
    return table;
  }

  #split(hash: number): void {
    const { depth, cells } = this.#tableOf(hash);
    if (2 ** depth === this.#directory.length) this.#directory = [...this.#directory, ...this.#directory];
    const halves = [newTable(depth + 1), newTable(depth + 1)] as const;
    const half = (bits: number) => halves[(bits >>> depth) & 1 ? 1 : 0];
    for (let cell = 0; cell < cells.length; cell += CELL) {
      const slot = cells[cell + 1] ?? NO_SLOT;
      const kept = cells[cell] ?? 0;
      if (slot !== NO_SLOT) put(half(kept), kept, slot);
    }
    const step = 2 ** depth;
    for (let i = hash & (step - 1); i < this.#directory.length; i += step) this.#directory[i] = half(i);
  }
}

function newTable(depth: number): Table {
  return { depth, cells: new Int32Array(CELLS * CELL), used: 0 };
}

/** From the high bits of the hash, since the directory uses the low ones. */
function homeOf(hash: number): number {
  return (hash >>> 22) * CELL;
}

function next(cell: number): number {
  return (cell + CELL) & WRAP;
}

function put(table: Table, hash: number, slot: number): void {
  const { cells } = table;
  let cell = homeOf(hash);
  while (cells[cell + 1] !== NO_SLOT) cell = next(cell);
  cells[cell] = hash;
  cells[cell + 1] = slot;
  table.used += 1;
}
