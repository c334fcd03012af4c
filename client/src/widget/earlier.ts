import { type Ranked, ranksAt } from './names.js';
import type { Ranks, Row } from './rows.js';

/** After an answer, or none, nothing more is asked for so long, in milliseconds. */
const REST_MS = 5_000;
const FAILED_MS = 60_000;
/** As many users as the service takes at once. */
const MOST_USERS = 100;

/** Where users stood at an earlier time, asked for when they are first shown. */
export class Earlier {
  #past = '';
  #ranks = new Map<string, Ranked | null>();
  #resting: unknown;

  /** @param onAnswer called when more is known, or may be asked for */
  constructor(private readonly onAnswer: () => void) {}

  /** By how many ranks an entry has risen since, of the ranks that are shown; null if it is new, undefined if that is not known. */
  movementOf({ userId, rank, sharedRank }: Row, ranks: Ranks): number | null | undefined {
    const then = this.#ranks.get(userId);
    return then && (ranks === 'shared' ? then.sharedRank - sharedRank : then.rank - rank);
  }

  /** @param past a season of the board, and the time, as a query */
  async compare(src: string, board: string, past: string, users: readonly string[]): Promise<void> {
    const name = src + board + past;
    if (name !== this.#past) {
      this.#past = name;
      this.#ranks = new Map();
    }
    const ranks = this.#ranks;
    const unknown = users.filter((user) => !ranks.has(user)).slice(0, MOST_USERS);
    if (this.#resting === ranks || unknown.length === 0) return;
    this.#resting = ranks;
    let restMs = FAILED_MS;
    try {
      const found = await ranksAt(src, board, `${past}&userIds=${unknown}`);
      for (const user of unknown) ranks.set(user, null);
      for (const entry of found) ranks.set(entry.userId, entry);
      restMs = REST_MS;
      this.onAnswer();
    } catch {
      // The element works without.
    }
    setTimeout(() => {
      if (this.#resting === ranks) this.#resting = undefined;
      this.onAnswer();
    }, restMs);
  }
}
