/** The element `<live-leaderboard>`, with those of its attributes that are properties too: `theme` is only an attribute. Importing this module defines it. */
export interface LiveLeaderboardElement extends HTMLElement {
  /** Address of the service. Needed where the script does not come from the service itself. */
  src: string;
  /** Id of the leaderboard. */
  board: string;
  /** Number of entries, 1 to 100. */
  limit: number;
  /** Id of the user whose row is highlighted. */
  user: string;
  heading: string;
  /** Which rank stands beside an entry. */
  ranks: 'unique' | 'shared' | 'dense';
  /** A key of public metadata, which has a column of its own. */
  column: string;
  /** Arrows show how entries have moved since then: an instant, or a number of hours. */
  since: string;
  /** Texts to show in place of those of the language. */
  texts: object;
}

declare global {
  interface HTMLElementTagNameMap {
    'live-leaderboard': LiveLeaderboardElement;
  }
}
