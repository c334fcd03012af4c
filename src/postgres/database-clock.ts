import { now, setClock } from '../clock.js';
import type { Queryable } from './database.js';

const NOW = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms';
const FIRST_READINGS = 5;

interface Reading {
  /** What the database's clock showed halfway between question and answer, and when that was. */
  readonly ms: number;
  readonly at: number;
  /** By how much it may be wrong, in milliseconds. */
  readonly error: number;
}

/**
 * Keeps the clock of this process on that of the database. A reading counts only if it proves the clock wrong: otherwise it
 * would move with each delay of the network.
 */
export class DatabaseClock {
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** Sets the clock. @returns how far this machine's own clock is ahead, in milliseconds */
  async start(): Promise<number> {
    let best = await this.#read();
    for (let i = 1; i < FIRST_READINGS; i++) {
      const next = await this.#read();
      if (next.error < best.error) best = next;
    }
    setClock(best.ms, best.at);
    return Date.now() - now();
  }

  /** Compares the clocks, and sets ours if it is wrong. */
  async compare(): Promise<void> {
    const { ms, at, error } = await this.#read();
    const shown = now() - performance.now() + at;
    // It shows whole milliseconds.
    if (Math.abs(shown - ms) > error + 1) setClock(ms, at);
  }

  async #read(): Promise<Reading> {
    const asked = performance.now();
    const { rows } = await this.#database.query<{ ms: number }>(NOW);
    const answered = performance.now();
    const [row] = rows;
    if (row === undefined || !Number.isFinite(row.ms))
      throw new RangeError('The database does not tell the time');
    return { ms: row.ms, at: (asked + answered) / 2, error: (answered - asked) / 2 };
  }
}
