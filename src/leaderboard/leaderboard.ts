import type { Sort, Standing, VersionedStanding } from './rank-index.js';

export type { Sort, Standing, VersionedStanding } from './rank-index.js';

/** What a user has on a board from a version on. Without a score it is off the board, and may come back with a later one. */
export interface StandingChange extends Omit<VersionedStanding, 'score'> {
  readonly score: number | null;
}

export const hasScore = (change: StandingChange): change is VersionedStanding => change.score !== null;

/** A standing with its place on the board, from 1. */
export interface RankedStanding extends Standing {
  readonly rank: number;
}

/** Part of a board, in its order. `version` grows with every change, as long as the `epoch` is the same. */
export interface Page {
  readonly epoch: string;
  readonly version: number;
  readonly total: number;
  readonly standings: readonly RankedStanding[];
}

/** One user's place. */
export interface Placement {
  readonly total: number;
  readonly standing: RankedStanding;
  /** The entry just above, or null for the first. */
  readonly above: Standing | null;
}

export interface RankChange {
  readonly previousRank: number | null;
  readonly rank: number | null;
}

/** Which board, and which of its seasons. */
export interface BoardKey {
  readonly id: string;
  readonly season: number;
  readonly sort: Sort;
}

/** A score as it sorts ascending, and back. `0 -` and not `-`: Redis tells −0 from 0. */
export const sortKey = ({ sort }: BoardKey, score: number): number => (sort === 'desc' ? 0 - score : score);

/** Reads of one board. The order is the same everywhere: score, then `achievedAt`, then user id. */
export interface LeaderboardReader {
  /** Up to `limit` entries from the top, or after a position (which need not be on the board any more). */
  page(limit: number, after?: Standing): Promise<Page>;
  /** Where a user stands, or null if it has no entry. */
  placement(userId: string): Promise<Placement | null>;
  /** The user with up to `radius` entries on each side, or null if it has no entry. */
  around(userId: string, radius: number): Promise<Page | null>;
  /** Those of the users who have an entry, in the board's order. */
  many(userIds: readonly string[]): Promise<Page>;
}

/** The projection cannot be read: entries may be missing, or the store does not answer. PostgreSQL must be asked. */
export class NotReady extends Error {
  override readonly name: string = 'NotReady';
}

/**
 * A projection of one board: quick reads, kept current by what the ledger has committed. Any read may fail with
 * `NotReady`.
 */
export interface Leaderboard extends LeaderboardReader {
  readonly key: BoardKey;
  /** Sees to it that the board becomes readable; resolves at the latest when it is. */
  load(): Promise<void>;
  /**
   * Takes over standings that are committed. Repeats and disorder do no harm. Ranks are null while the board is being
   * rebuilt.
   */
  apply(changes: readonly StandingChange[]): Promise<RankChange[]>;
  /** Takes an erased user off the board for good. */
  erase(userId: string): Promise<void>;
  /** Something that reads show besides standings has changed (a display name). */
  touch(): Promise<void>;
}
