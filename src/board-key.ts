import { SLUG } from '../schemas/common.js';

/** Names one board: a leaderboard in one of its seasons. Further parts (a region, a division) would be added here. */
export interface BoardKey {
  readonly leaderboard: string;
  readonly season: number;
  /** `<leaderboard>:<season>`. Two keys name the same board exactly if their texts are equal. */
  readonly text: string;
}

export function boardKey(leaderboard: string, season: number): BoardKey {
  return { leaderboard, season, text: `${leaderboard}:${season}` };
}

const TEXT = new RegExp(`^(${SLUG}):([1-9][0-9]{0,8})$`);

/** The key that has this text, or null if there is none. */
export function parseBoardKey(text: string): BoardKey | null {
  const [, leaderboard, season] = TEXT.exec(text) ?? [];
  return leaderboard === undefined || season === undefined ? null : boardKey(leaderboard, Number(season));
}
