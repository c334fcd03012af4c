import type { BoardKey } from '../board-key.js';
import type { Entry, EntryChange, RankChange, RankedEntry, Sort } from './entry.js';

/** A board, and the order of its scores. */
export interface Board {
  readonly key: BoardKey;
  readonly sort: Sort;
}

/** Part of a board, in its order. `version` grows with every change, as long as the `epoch` is the same. */
export interface Page {
  readonly epoch: string;
  readonly version: number;
  /** Entries on the whole board. */
  readonly total: number;
  readonly entries: readonly RankedEntry[];
}

/** One user's place. */
export interface Placement {
  readonly total: number;
  readonly entry: RankedEntry;
  /** The entry just above, or null for the first. */
  readonly above: Entry | null;
  /** The score of the first. */
  readonly best: number;
}

/** A place between two entries: beside an entry, which need not be there any more, or above or below all who have a score. */
export type Mark =
  | { readonly before: Entry }
  | { readonly after: Entry }
  | { readonly above: number }
  | { readonly below: number };

/** How many entries are as good as each of some scores, or better. */
export interface Counts {
  /** Entries on the whole board. */
  readonly total: number;
  readonly counts: readonly number[];
}

/** Reads of one board. The order is the same everywhere: score, then `achievedAt`, then user id. */
export interface BoardReader {
  /** Up to `limit` entries from the top, or after a position, where there need be no entry any more. */
  page(limit: number, after?: Entry): Promise<Page>;
  /** Up to `limit` entries from the place `start` on, which is 0 for the first. */
  slice(start: number, limit: number): Promise<Page>;
  /** The last `before` entries before a mark and the first `behind` behind it. */
  near(mark: Mark, before: number, behind: number): Promise<Page>;
  /** How many entries have each of these scores or a better one, all counted at one moment. */
  countThrough(scores: readonly number[]): Promise<Counts>;
  /** One user's place, or null if it has no entry. */
  placement(userId: string): Promise<Placement | null>;
  /** The user with up to `radius` entries on each side, or null if it has no entry. */
  around(userId: string, radius: number): Promise<Page | null>;
  /** The entries of these users, in the board's order. */
  many(userIds: readonly string[]): Promise<Page>;
}

/** The projection cannot be read: entries may be missing, or the store does not answer. Read PostgreSQL instead. */
export class NotReady extends Error {
  override readonly name: string = 'NotReady';
}

/**
 * A board held for fast reads, in the memory of the process or in Redis, and kept current with what the ledger commits. A read
 * may fail with `NotReady`. `changeId` is the id of the announced change, for other instances to see that it was applied.
 */
export interface Projection extends BoardReader {
  readonly board: Board;
  /** Whether reads are answered, as far as is known. */
  readonly isReady: boolean;
  /** Memory that it takes in this process. */
  readonly bytes: number;
  /** The first page, if it was read before, nothing has changed since, and it is known without asking anybody. */
  keptPage(limit: number): Page | undefined;
  /** Changes may be missing: until the next load no read is answered. */
  markStale(): void;
  /**
   * Makes the board ready, unless it becomes stale again meanwhile.
   * @param signal ends the load at its next page, as when the board is closed meanwhile
   * @throws what PostgreSQL or Redis fails with, or `NotReady`
   */
  load(signal?: AbortSignal): Promise<void>;
  /**
   * Takes over committed changes. Repeats and disorder do no harm.
   * @returns the ranks of each change, or null if the board is not ready
   */
  apply(changeId: string, changes: readonly EntryChange[]): Promise<RankChange[] | null>;
  /** The same for changes that several instances may take over, of which one does for all who share the projection. */
  confirm(changeId: string, changes: readonly EntryChange[]): Promise<void>;
  /** Removes an erased user for good. Shared as above. */
  erase(changeId: string, userId: string): Promise<void>;
  /** The display name of a user has changed: the version grows if the user has an entry. Shared as above. */
  rename(changeId: string, userId: string): Promise<void>;
}
