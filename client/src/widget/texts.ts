/** All texts that the element shows or announces. Numbers are already formatted for its language. */
export interface Texts {
  readonly rank: string;
  readonly player: string;
  readonly score: string;
  /** Shown beside the user's name. */
  readonly you: string;
  readonly live: string;
  readonly connecting: string;
  readonly reconnecting: string;
  readonly closed: string;
  readonly empty: string;
  readonly unknownBoard: string;
  readonly failed: string;
  /** The number of entries. */
  total(count: number, formatted: string): string;
  leads(name: string): string;
  ownRank(rank: string, total: string): string;
}

export const ENGLISH: Texts = {
  rank: 'Rank',
  player: 'Player',
  score: 'Score',
  you: 'You',
  live: 'Live',
  connecting: 'Connecting…',
  reconnecting: 'Reconnecting…',
  closed: 'Unavailable',
  empty: 'No scores yet. The first place is free.',
  unknownBoard: 'There is no such leaderboard.',
  failed: 'This leaderboard cannot be shown.',
  total: (count, formatted) => (count === 1 ? '1 player' : `${formatted} players`),
  leads: (name) => `${name} leads.`,
  ownRank: (rank, total) => `Your rank is ${rank} of ${total}.`,
};
