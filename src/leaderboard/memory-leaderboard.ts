import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { Turns } from '../turns.js';
import { entriesInOrder } from './entry-pages.js';
import { newEpoch } from './epoch.js';
import {
  type BoardKey,
  hasScore,
  type Leaderboard,
  NotReady,
  type Page,
  type Placement,
  type RankChange,
  type RankedStanding,
  type StandingChange,
} from './leaderboard.js';
import { RankIndex, type Standing } from './rank-index.js';

/** Far longer than a batch that is written can be on its way. */
const GONE_REMEMBERED_MS = 600_000;
/** What is made from a page, such as names, is not kept for longer. */
const TOPS_KEPT_MS = 60_000;
/** Boards of this process that are loaded at a time: each takes a connection, and holds up the process for moments. */
const loads = new Turns(2);

/**
 * A board in the memory of this process.
 *
 * *loading*: rows stream in from PostgreSQL, all of one moment and in the board's order, while changes wait. *ready*: every row
 * and all that waited is on the board, ranks are right. Whatever is older by its version than what is known is ignored, so
 * rows and changes may overlap in any order. A rebuild fills a new index, so an entry that was removed while the process was
 * deaf does not survive it.
 */
export class MemoryLeaderboard implements Leaderboard {
  readonly key: BoardKey;
  readonly #pool: pg.Pool;
  #index: RankIndex;
  /** Who has left, and up to which version: a batch that is reported late must not bring them back. */
  readonly #gone = new LRUCache<string, number>({ max: 100_000, ttl: GONE_REMEMBERED_MS });
  #epoch = newEpoch();
  #version = 0;
  /** The newest change of each user since the board was last ready; undefined while it is. */
  #waiting: Map<string, StandingChange> | undefined = new Map();
  /** First pages of the board as it is, by limit: they are asked for more often than it changes. */
  readonly #tops = new Map<number, Page>();
  #topsEpoch = '';
  #topsVersion = 0;
  #topsUntil = 0;

  constructor(key: BoardKey, pool: pg.Pool) {
    this.key = key;
    this.#pool = pool;
    this.#index = new RankIndex(key.sort);
  }

  load(): Promise<void> {
    return this.rebuild();
  }

  /** Reads every entry from PostgreSQL again, into a new epoch. */
  async rebuild(): Promise<void> {
    const index = new RankIndex(this.key.sort);
    this.#index = index;
    // Scores that waited for a load before are in what this one reads, or were lost; who has left must stay away.
    this.#waiting = new Map([...(this.#waiting ?? [])].filter(([, change]) => !hasScore(change)));
    this.#epoch = newEpoch();
    await loads.take(() => this.#fill(index));
  }

  async #fill(index: RankIndex): Promise<void> {
    for await (const standings of entriesInOrder(this.#pool, this.key)) {
      // A later rebuild has taken over.
      if (this.#index !== index) return;
      index.append(standings.filter(hasScore));
      for (const { userId, score, version } of standings) if (score === null) this.#gone.set(userId, version);
    }
    if (this.#index !== index) return;
    const changes = this.#waiting?.values() ?? [];
    this.#waiting = undefined;
    for (const change of changes) this.#take(change);
    this.#version++;
  }

  async apply(changes: readonly StandingChange[]): Promise<RankChange[]> {
    let isNews = false;
    const ranks = changes.map((change) => {
      const previousRank = this.#rank(change.userId);
      if (this.#take(change)) isNews = true;
      return { previousRank, rank: this.#rank(change.userId) };
    });
    if (isNews) this.#version++;
    return ranks;
  }

  async erase(userId: string): Promise<void> {
    this.#version++;
    this.#take({ userId, score: null, achievedAt: 0, version: Number.POSITIVE_INFINITY });
  }

  async touch(): Promise<void> {
    this.#version++;
  }

  async page(limit: number, after?: Standing): Promise<Page> {
    const index = this.#readable();
    if (after !== undefined) return this.#page(index, index.countThrough(after), limit);
    const isOther = this.#topsVersion !== this.#version || this.#topsEpoch !== this.#epoch;
    if (isOther || performance.now() > this.#topsUntil) this.#forgetTops();
    const top = this.#tops.get(limit) ?? this.#page(index, 0, limit);
    this.#tops.set(limit, top);
    return top;
  }

  #forgetTops(): void {
    this.#tops.clear();
    this.#topsVersion = this.#version;
    this.#topsEpoch = this.#epoch;
    this.#topsUntil = performance.now() + TOPS_KEPT_MS;
  }

  async placement(userId: string): Promise<Placement | null> {
    const index = this.#readable();
    const rank = index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 2, 0);
    const standings = slice(index, start, rank - start);
    const standing = standings.pop();
    return standing === undefined ? null : { total: index.size, standing, above: standings.pop() ?? null };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const index = this.#readable();
    const rank = index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 1 - radius, 0);
    return this.#page(index, start, rank + radius - start);
  }

  async many(userIds: readonly string[]): Promise<Page> {
    const index = this.#readable();
    const standings = [...new Set(userIds)].flatMap((userId): RankedStanding[] => {
      const standing = index.get(userId);
      const rank = index.rank(userId);
      return standing === undefined || rank === undefined ? [] : [{ rank, ...standing }];
    });
    return this.#answer(
      index,
      standings.sort((a, b) => a.rank - b.rank),
    );
  }

  /** Takes over a change, unless something newer is known. True if the index is another now. */
  #take(change: StandingChange): boolean {
    const { userId, version } = change;
    if (this.#waiting !== undefined) {
      const newest = this.#waiting.get(userId);
      if (newest === undefined || newest.version < version) this.#waiting.set(userId, change);
      return false;
    }
    const index = this.#index;
    // A batch may be reported after the user has left, which was announced on another connection.
    if (this.#gone.size > 0 && version <= (this.#gone.get(userId) ?? 0)) return false;
    if (hasScore(change)) return index.apply(change);
    if ((index.get(userId)?.version ?? 0) >= version) return false;
    this.#gone.set(userId, version);
    return index.remove(userId);
  }

  #rank(userId: string): number | null {
    return this.#waiting === undefined ? (this.#index.rank(userId) ?? null) : null;
  }

  #readable(): RankIndex {
    if (this.#waiting !== undefined) throw new NotReady('The board is being loaded');
    return this.#index;
  }

  #page(index: RankIndex, start: number, count: number): Page {
    return this.#answer(index, slice(index, start, count));
  }

  #answer(index: RankIndex, standings: RankedStanding[]): Page {
    return { epoch: this.#epoch, version: this.#version, total: index.size, standings };
  }
}

const slice = (index: RankIndex, start: number, count: number): RankedStanding[] =>
  index.slice(start, count).map((standing, i) => ({ rank: start + i + 1, ...standing }));
