import type { BoardKey } from '../board-key.js';
import type { BoardState, UserRank } from '../leaderboard/board-state.js';

/** What the live stream reads. Otherwise both calls fail only while the database is away. */
export interface BoardSource {
  /**
   * The board's current top: at least `limit` entries if there are as many.
   * @throws Problem `not-found` if its leaderboard was deleted
   */
  page(board: BoardKey, limit: number): Promise<BoardState>;
  userRank(board: BoardKey, userId: string): Promise<UserRank>;
}
