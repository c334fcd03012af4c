import type { Entry, Sort, VersionedEntry } from '../entry.js';
import type { Mark } from '../projection.js';
import { RankedSlots } from './ranked-slots.js';
import { NO_SLOT } from './slot-table.js';
import { SOUGHT, UserSlots } from './user-slots.js';

/**
 * The order of one board in memory: by score, then by who reached it first, then by user id.
 *
 * Each operation takes O(log n), and growing never copies or rehashes all entries, so none pauses for long. Entries are
 * numbers in typed arrays, which the garbage collector does not scan. An entry takes about 80 bytes: 40 for
 * its row (user-slots.ts), 12 to 23 for the way to it from the user id (slot-table.ts) and 16 in a block of the order
 * (ranked-slots.ts), which is two thirds full on average and a quarter at worst. What costs time is to wait for main
 * memory, so each operation touches few places in it.
 *
 * Reads of typed arrays end in `?? 0` or `?? NaN` for the type checker's sake: the indices are always in range, and
 * then V8 compiles it to nothing.
 */
export class RankIndex {
  readonly #users = new UserSlots();
  readonly #order: RankedSlots;
  /** The order inside is ascending: on a descending board keys are negated scores. */
  readonly #sign: 1 | -1;

  /** Blocks of 64 measured best; tests use smaller ones too. */
  constructor(sort: Sort, blockCapacity = 64) {
    this.#order = new RankedSlots(this.#users, blockCapacity);
    this.#sign = sort === 'asc' ? 1 : -1;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#order.size;
  }

  /** Memory of the index. */
  get bytes(): number {
    return this.#users.bytes + this.#order.bytes;
  }

  /**
   * Sets a user's entry, unless a version at least as new is known: repeats and disorder do no harm.
   * True if it was applied. A malformed id (TypeError) or number (RangeError) is refused and changes nothing.
   */
  apply(change: VersionedEntry): boolean {
    const key = this.#keyOf(change);
    let slot = this.#users.find(change.userId);
    if (slot === NO_SLOT) {
      slot = this.#users.add(change.userId);
    } else {
      if (change.version <= this.#users.version(slot)) return false;
      this.#order.delete(slot);
    }
    this.#users.set(slot, key, change.achievedAt, change.version);
    this.#order.insert(slot);
    return true;
  }

  /**
   * Adds entries of users who have none, in the board's order and behind all others: quicker than `apply`, as nothing is looked up.
   * Throws as `apply`, and a RangeError if the order is another; then the index is of no use any more.
   */
  append(entries: readonly VersionedEntry[]): void {
    const slots = this.#users.addAll(entries.map(({ userId }) => userId));
    for (const [i, entry] of entries.entries()) {
      const slot = slots[i] ?? NO_SLOT;
      this.#users.set(slot, this.#keyOf(entry), entry.achievedAt, entry.version);
      this.#order.append(slot);
    }
  }

  /** Removes a user's entry. True if there was one. */
  remove(userId: string): boolean {
    const slot = this.#users.find(userId);
    if (slot === NO_SLOT) return false;
    this.#order.delete(slot);
    this.#users.delete(slot);
    return true;
  }

  get(userId: string): VersionedEntry | undefined {
    const slot = this.#users.find(userId);
    return slot === NO_SLOT ? undefined : this.#entryOf(slot);
  }

  has(userId: string): boolean {
    return this.#users.find(userId) !== NO_SLOT;
  }

  /** From 1; undefined if the user has no entry. */
  rank(userId: string): number | undefined {
    const slot = this.#users.find(userId);
    return slot === NO_SLOT ? undefined : this.#order.countThrough(slot);
  }

  /** Up to `count` entries from the place `start` on, which is 0 for the first. */
  slice(start: number, count: number): VersionedEntry[] {
    return this.#order.slice(Math.max(start, 0), start + count).map((slot) => this.#entryOf(slot));
  }

  /** How many entries are before a mark. Throws as `apply`. */
  place(mark: Mark): number {
    if ('after' in mark) return this.#countThrough(mark.after);
    if ('before' in mark) return this.#countThrough(mark.before) - (this.#isAt(mark.before) ? 1 : 0);
    if ('above' in mark) return this.countBetter(mark.above);
    // Scores are integers.
    return this.#order.countLower(this.#sign * mark.below + 1);
  }

  /** How many entries have a better score: those that share the rank behind them have this one. */
  countBetter(score: number): number {
    return this.#order.countLower(this.#sign * score);
  }

  /** How many entries are at or before a position, where there need be none. */
  #countThrough(position: Entry): number {
    this.#users.seek(position.userId);
    this.#users.set(SOUGHT, this.#keyOf(position), position.achievedAt, 0);
    return this.#order.countThrough(SOUGHT);
  }

  /** Whether the user has an entry at this very position. */
  #isAt({ userId, score, achievedAt }: Entry): boolean {
    const entry = this.get(userId);
    return entry?.score === score && entry.achievedAt === achievedAt;
  }

  #keyOf({ score, achievedAt }: Entry): number {
    // A number out of order, such as NaN, would put everything else out of order too.
    if (!Number.isSafeInteger(score) || !Number.isFinite(achievedAt)) {
      throw new RangeError(`Not an entry: score ${score}, achievedAt ${achievedAt}`);
    }
    return this.#sign * score;
  }

  #entryOf(slot: number): VersionedEntry {
    const users = this.#users;
    return {
      userId: users.userId(slot),
      score: this.#sign * users.key(slot) + 0, // adding 0 makes −0 a plain 0
      achievedAt: users.achievedAt(slot),
      version: users.version(slot),
    };
  }
}
