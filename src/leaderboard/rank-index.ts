import { RankedSlots } from './ranked-slots.js';
import { NO_SLOT } from './slot-table.js';
import { SOUGHT, UserSlots } from './user-slots.js';

export type Sort = 'asc' | 'desc';

export interface Standing {
  readonly userId: string;
  /** An integer within ±(2^53 − 1). */
  readonly score: number;
  /** Milliseconds since 1970. */
  readonly achievedAt: number;
}

export interface VersionedStanding extends Standing {
  readonly version: number;
}

/**
 * The order of one board in memory: by score, then by who reached it first, then by user id.
 *
 * Each operation takes O(log n), and growing never copies or rehashes all entries, so none pauses for long. They are
 * numbers in typed arrays, which the garbage collector does not look through. An entry takes about 80 bytes: 40 for
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

  /** How many users stand on the board. */
  get size(): number {
    return this.#order.size;
  }

  /**
   * Sets a user's standing, unless a version at least as new is known: repeats and disorder do no harm.
   * True if it was applied. A malformed id (TypeError) or number (RangeError) is refused and changes nothing.
   */
  apply(change: VersionedStanding): boolean {
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
   * Adds users who are not on the board, in its order and behind all who are: quicker than `apply`, as nothing is looked up.
   * Throws as `apply`, and a RangeError if the order is another; then the index is of no use any more.
   */
  append(standings: readonly VersionedStanding[]): void {
    const slots = this.#users.addAll(standings.map(({ userId }) => userId));
    for (const [i, standing] of standings.entries()) {
      const slot = slots[i] ?? NO_SLOT;
      this.#users.set(slot, this.#keyOf(standing), standing.achievedAt, standing.version);
      this.#order.append(slot);
    }
  }

  /** Takes the user off the board. True if it stood there. */
  remove(userId: string): boolean {
    const slot = this.#users.find(userId);
    if (slot === NO_SLOT) return false;
    this.#order.delete(slot);
    this.#users.delete(slot);
    return true;
  }

  get(userId: string): VersionedStanding | undefined {
    const slot = this.#users.find(userId);
    return slot === NO_SLOT ? undefined : this.#standing(slot);
  }

  /** From 1; undefined if the user does not stand on the board. */
  rank(userId: string): number | undefined {
    const slot = this.#users.find(userId);
    return slot === NO_SLOT ? undefined : this.#order.countThrough(slot);
  }

  /** The standings in places `start` (from 0) to `start + count − 1`, as far as there are such places. */
  slice(start: number, count: number): VersionedStanding[] {
    return this.#order.slice(Math.max(start, 0), start + count).map((slot) => this.#standing(slot));
  }

  /** How many stand at or before a position, which may be empty: where the page after it begins. Throws as `apply`. */
  countThrough(position: Standing): number {
    this.#users.seek(position.userId);
    this.#users.set(SOUGHT, this.#keyOf(position), position.achievedAt, 0);
    return this.#order.countThrough(SOUGHT);
  }

  #keyOf({ score, achievedAt }: Standing): number {
    // A number out of order, such as NaN, would put everything else out of order too.
    if (!Number.isSafeInteger(score) || !Number.isFinite(achievedAt)) {
      throw new RangeError(`Not a standing: score ${score}, achievedAt ${achievedAt}`);
    }
    return this.#sign * score;
  }

  #standing(slot: number): VersionedStanding {
    const users = this.#users;
    return {
      userId: users.userId(slot),
      score: this.#sign * users.key(slot) + 0, // adding 0 makes −0 a plain 0
      achievedAt: users.achievedAt(slot),
      version: users.version(slot),
    };
  }
}
