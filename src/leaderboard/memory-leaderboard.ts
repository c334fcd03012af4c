import { setImmediate as turn } from 'node:timers/promises';
import type { Queryable } from '../database.js';
import { newEpoch } from './epoch.js';
import type { BoardKey, Leaderboard, Page, Placement, RankChange, RankedStanding } from './leaderboard.js';
import { RankIndex, type Standing, type VersionedStanding } from './rank-index.js';

/** To take over a page holds up the process for some 10 ms. */
const ROWS_PER_READ = 2_000;

/**
 * By primary key, so that an entry cannot move from what is yet to be read to what was read. $3 where the last page ended.
 * A number is parsed much faster than a timestamp.
 */
const ENTRIES = `
SELECT user_id AS "userId", score, (extract(epoch FROM achieved_at) * 1000)::float8 AS "achievedAt", version
FROM scores
WHERE leaderboard_id = $1 AND season = $2 AND user_id > $3
ORDER BY user_id
LIMIT ${ROWS_PER_READ}`;

/**
 * A board in the memory of this process.
 *
 * *loading*: rows stream in from PostgreSQL while changes are applied as they come; whichever is older by its version is
 * ignored, so the two may overlap in any order. *ready*: every row has been seen, ranks are right.
 * A rebuild fills a new index, so an entry that was removed while the process was deaf does not survive it.
 */
export class MemoryLeaderboard implements Leaderboard {
  readonly key: BoardKey;
  readonly #database: Queryable;
  #index: RankIndex;
  readonly #erased = new Set<string>();
  #epoch = newEpoch();
  #version = 0;
  #ready = false;

  constructor(key: BoardKey, database: Queryable) {
    this.key = key;
    this.#database = database;
    this.#index = new RankIndex(key.sort);
  }

  get ready(): boolean {
    return this.#ready;
  }

  get epoch(): string {
    return this.#epoch;
  }

  get version(): number {
    return this.#version;
  }

  async rebuild(): Promise<void> {
    const index = new RankIndex(this.key.sort);
    this.#index = index;
    this.#ready = false;
    this.#epoch = newEpoch();
    for (let after = ''; ; ) {
      const { rows } = await this.#database.query<VersionedStanding>(ENTRIES, [
        this.key.id,
        this.key.season,
        after,
      ]);
      // A later rebuild has taken over.
      if (this.#index !== index) return;
      for (const row of rows) if (!this.#erased.has(row.userId)) index.apply(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_PER_READ) break;
      after = last.userId;
      await turn();
    }
    this.#ready = true;
    this.#version++;
  }

  async apply(changes: readonly VersionedStanding[]): Promise<RankChange[]> {
    let isNews = false;
    const ranks = changes.map((change) => {
      const previousRank = this.#rank(change.userId);
      // A batch may be reported after the user's erasure, which was announced on another connection.
      if (!this.#erased.has(change.userId) && this.#index.apply(change)) isNews = true;
      return { previousRank, rank: this.#rank(change.userId) };
    });
    if (isNews) this.#version++;
    return ranks;
  }

  async erase(userId: string): Promise<void> {
    this.#version++;
    this.#erased.add(userId);
    this.#index.remove(userId);
  }

  touch(): void {
    this.#version++;
  }

  async page(limit: number, after?: Standing): Promise<Page> {
    return this.#slice(after === undefined ? 0 : this.#index.countThrough(after), limit);
  }

  async placement(userId: string): Promise<Placement | null> {
    const rank = this.#index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 2, 0);
    const { standings } = this.#slice(start, rank - start);
    const standing = standings.pop();
    return standing === undefined
      ? null
      : { total: this.#index.size, standing, above: standings.pop() ?? null };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const rank = this.#index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 1 - radius, 0);
    return this.#slice(start, rank + radius - start);
  }

  async many(userIds: readonly string[]): Promise<Page> {
    const standings = [...new Set(userIds)].flatMap((userId): RankedStanding[] => {
      const standing = this.#index.get(userId);
      const rank = this.#index.rank(userId);
      return standing === undefined || rank === undefined ? [] : [{ ...standing, rank }];
    });
    return { total: this.#index.size, standings: standings.sort((a, b) => a.rank - b.rank) };
  }

  #rank(userId: string): number | null {
    return this.#ready ? (this.#index.rank(userId) ?? null) : null;
  }

  #slice(start: number, count: number): Page {
    const standings = this.#index
      .slice(start, count)
      .map((standing, i) => ({ ...standing, rank: start + i + 1 }));
    return { total: this.#index.size, standings };
  }
}
