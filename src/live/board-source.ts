import type { BoardKey } from '../board-key.js';
import type { BoardState, UserRank } from '../leaderboard/board-state.js';
import type { FinalStandings, LiveSeason } from '../leaderboard/seasons.js';

/** What the live stream reads. Otherwise all calls fail only while the database is away. */
export interface BoardSource {
  /** @throws Problem `not-found` if the leaderboard was deleted */
  season(leaderboard: string): Promise<LiveSeason>;
  /**
   * The board's current top: at least `limit` entries if there are as many.
   * @throws Problem `not-found` if its leaderboard was deleted
   */
  page(board: BoardKey, limit: number): Promise<BoardState>;
  userRank(board: BoardKey, userId: string): Promise<UserRank>;
  /** Null if the season is not final, or its entries are deleted. */
  final(board: BoardKey, limit: number): Promise<FinalStandings | null>;
}
