import type { Entry } from '../../schemas/leaderboard.js';
import type { ReadableBoard } from './seasons.js';

/** Part of a board as its readers see it. `version` only grows within an `epoch`. */
export interface BoardState {
  readonly board: ReadableBoard;
  readonly epoch: string;
  readonly version: number;
  /** Entries on the whole board, not only in `items`. */
  readonly total: number;
  readonly items: Entry[];
}

/** One user's place; ranks and score are null while the user has no entry. */
export interface UserRank {
  readonly rank: number | null;
  readonly sharedRank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** One user's entry as its readers see it. */
export interface EntryState {
  readonly entry: Entry;
  readonly total: number;
  /** The score of the entry just above, or null for the first. */
  readonly scoreAbove: number | null;
  /** The score of the first entry; null if this is the first. */
  readonly scoreFirst: number | null;
}
