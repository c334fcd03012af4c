import { boardKey } from '../board-key.js';
import { boundedCache } from '../bounded-cache.js';
import type { Queryable } from '../postgres/database.js';
import type { Rules } from './standing.js';
import { BOARDS_OF, type BoardRow, type EventRow, type Scope } from './verification-statements.js';

/** More than a page of events can have. */
const CACHED = 20_000;

/** A board that an event counts for. */
interface Counted {
  readonly board: string;
  readonly rules: Rules;
}

/** Knows which boards events count for. Most have one of a few values in their column `boards`. */
export class CountedBoards {
  readonly #client: Queryable;
  readonly #scope: Scope;
  readonly #known = boundedCache<string, readonly Counted[]>(CACHED);

  /** @param scope other boards are left out */
  constructor(client: Queryable, scope: Scope) {
    this.#client = client;
    this.#scope = scope;
  }

  /** The same pages, each when the boards of its events are known. */
  async *learn(pages: AsyncGenerator<readonly EventRow[], void>): AsyncGenerator<readonly EventRow[], void> {
    for await (const page of pages) {
      const values = new Set(page.map(({ boards }) => boards));
      const unknown = [...values].filter((boards) => this.#known.get(boards) === undefined);
      if (unknown.length > 0) await this.#ask(unknown);
      yield page;
    }
  }

  /** @param boards of an event in the newest page */
  of(boards: string): readonly Counted[] {
    return this.#known.get(boards) ?? [];
  }

  async #ask(values: readonly string[]): Promise<void> {
    const { rows } = await this.#client.query<BoardRow>(BOARDS_OF, [values]);
    const found = new Map(values.map((boards): [string, Counted[]] => [boards, []]));
    for (const { boards, leaderboard, season, ...rules } of rows) {
      const isInScope =
        leaderboard === (this.#scope.leaderboard ?? leaderboard) && season === (this.#scope.season ?? season);
      if (isInScope) found.get(boards)?.push({ board: boardKey(leaderboard, season).text, rules });
    }
    for (const [boards, counted] of found) this.#known.set(boards, counted);
  }
}
