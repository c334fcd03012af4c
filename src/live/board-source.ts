import type { Entry } from '../../schemas/leaderboard.js';

/** The top of a board at one moment. `version` only grows within an `epoch`. */
export interface BoardState {
  readonly epoch: string;
  readonly leaderboard: string;
  readonly season: number;
  readonly version: number;
  /** Entries on the whole board, not only in `items`. */
  readonly total: number;
  readonly items: Entry[];
}

/** Where one user stands; rank and score are null while the user has no entry. */
export interface OwnStanding {
  readonly rank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** What the live stream needs to know of the boards. Both calls fail only while the database is away. */
export interface BoardSource {
  /** The board's current top: at least `limit` entries if there are as many. */
  top(leaderboard: string, limit: number): Promise<BoardState>;
  standing(leaderboard: string, userId: string): Promise<OwnStanding>;
}
