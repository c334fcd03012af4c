import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type pg from 'pg';
import { type Entry, type EntryChange, hasScore, type RankChange } from './entry.js';
import { entriesInOrder } from './entry-pages.js';
import { newEpoch } from './epoch.js';
import { IndexReader } from './index-reader.js';
import {
  type Board,
  type Counts,
  type Mark,
  NotReady,
  type Page,
  type Placement,
  type Projection,
} from './projection.js';
import { RankIndex } from './rank-index/rank-index.js';
import { Tombstones } from './tombstones.js';

/**
 * First pages of all boards of this process, by board and limit: they are read more often than boards change. The size counts
 * what readers keep with a page: its names, and its answer as bytes.
 */
const firstPages = new LRUCache<string, Page>({
  maxSize: 32 * 2 ** 20,
  sizeCalculation: ({ entries }) => 2_048 + 640 * entries.length,
});
/** The longest page that clients can ask for. */
const MOST_KEPT = 100;
/** Loads of this process at a time: each takes a connection, and the event loop for moments. */
const loads = pLimit(2);
/** The objects of an open board without its index, as measured. */
const OBJECTS_BYTES = 5_120;

/**
 * A board in the memory of this process.
 *
 * - *loading*: rows stream in from PostgreSQL, all of one snapshot and in the board's order, while changes wait.
 * - *ready*: every row and every change that waited is on the board, and ranks are right.
 *
 * A change with an older version than the known one is ignored, so rows and changes may overlap in any order. Each load fills a
 * new index, so that an entry that was removed while the process missed changes does not survive it.
 */
export class MemoryProjection implements Projection {
  readonly board: Board;
  readonly #pool: pg.Pool;
  readonly #erased: Tombstones;
  #index: RankIndex;
  readonly #tombstones = new Tombstones();
  #epoch = newEpoch();
  #version = 0;
  /** While the board is loading: the newest change of each user. */
  #waiting: Map<string, EntryChange> | undefined = new Map();
  readonly #reader = new IndexReader(
    () => this.#readable(),
    () => ({ epoch: this.#epoch, version: this.#version }),
  );

  /** @param erased the users whom this process knows to be erased, on any board */
  constructor(board: Board, pool: pg.Pool, erased: Tombstones) {
    this.board = board;
    this.#pool = pool;
    this.#erased = erased;
    this.#index = new RankIndex(board.sort);
  }

  get isReady(): boolean {
    return this.#waiting === undefined;
  }

  get bytes(): number {
    return OBJECTS_BYTES + this.#index.bytes;
  }

  /** Begins a new epoch. A load under way no longer counts. */
  markStale(): void {
    this.#index = new RankIndex(this.board.sort);
    // Scores that waited for an earlier load are in what the next one reads, or were lost; removals must not be forgotten.
    this.#waiting = new Map([...(this.#waiting ?? [])].filter(([, change]) => !hasScore(change)));
    this.#epoch = newEpoch();
  }

  /** Reads every entry from PostgreSQL. */
  async load(signal?: AbortSignal): Promise<void> {
    const index = this.#index;
    await loads(() => this.#fill(index, signal));
  }

  async #fill(index: RankIndex, signal?: AbortSignal): Promise<void> {
    const isOver = () => this.#index !== index || signal?.aborted === true;
    if (isOver()) return;
    for await (const entries of entriesInOrder(this.#pool, this.board)) {
      if (isOver()) return;
      index.append(entries.filter(hasScore));
      for (const { userId, score, version } of entries)
        if (score === null) this.#tombstones.add(userId, version);
    }
    if (isOver()) return;
    const changes = this.#waiting?.values() ?? [];
    this.#waiting = undefined;
    for (const change of changes) this.#take(change);
    this.#version++;
  }

  async apply(_changeId: string, changes: readonly EntryChange[]): Promise<RankChange[] | null> {
    const { isReady } = this;
    let isNews = false;
    const ranks = changes.map((change): RankChange => {
      const previousRank = isReady ? this.#rank(change.userId) : null;
      if (this.#take(change)) isNews = true;
      return { previousRank, rank: isReady ? this.#rank(change.userId) : null };
    });
    if (isNews) this.#version++;
    return isReady ? ranks : null;
  }

  async confirm(changeId: string, changes: readonly EntryChange[]): Promise<void> {
    await this.apply(changeId, changes);
  }

  async erase(_changeId: string, userId: string): Promise<void> {
    this.#version++;
    this.#take({ userId, score: null, achievedAt: 0, version: Number.POSITIVE_INFINITY });
  }

  async rename(_changeId: string, userId: string): Promise<void> {
    if (this.#index.has(userId)) this.#version++;
  }

  async page(limit: number, after?: Entry): Promise<Page> {
    if (after !== undefined) return await this.#reader.page(limit, after);
    const kept = this.keptPage(limit);
    if (kept !== undefined) return kept;
    const page = await this.#reader.page(limit);
    if (limit <= MOST_KEPT) firstPages.set(this.#nameOf(limit), page);
    return page;
  }

  slice(start: number, limit: number): Promise<Page> {
    return this.#reader.slice(start, limit);
  }

  near(mark: Mark, before: number, behind: number): Promise<Page> {
    return this.#reader.near(mark, before, behind);
  }

  countThrough(scores: readonly number[]): Promise<Counts> {
    return this.#reader.countThrough(scores);
  }

  keptPage(limit: number): Page | undefined {
    const page = firstPages.get(this.#nameOf(limit));
    const isCurrent = page?.epoch === this.#epoch && page.version === this.#version;
    return isCurrent && this.isReady ? page : undefined;
  }

  #nameOf(limit: number): string {
    return `${this.board.key.text} ${limit}`;
  }

  placement(userId: string): Promise<Placement | null> {
    return this.#reader.placement(userId);
  }

  around(userId: string, radius: number): Promise<Page | null> {
    return this.#reader.around(userId, radius);
  }

  many(userIds: readonly string[]): Promise<Page> {
    return this.#reader.many(userIds);
  }

  /** Takes over a change, unless something newer is known. True if the index has changed. */
  #take(change: EntryChange): boolean {
    const { userId, version } = change;
    if (this.#waiting !== undefined) {
      const newest = this.#waiting.get(userId);
      if (newest === undefined || newest.version < version) this.#waiting.set(userId, change);
      return false;
    }
    const index = this.#index;
    // A removal is announced on another connection than the answer to a batch, and may overtake it.
    if (this.#tombstones.covers(change)) return false;
    if (hasScore(change)) return !this.#erased.covers(change) && index.apply(change);
    if ((index.get(userId)?.version ?? 0) >= version) return false;
    this.#tombstones.add(userId, version);
    return index.remove(userId);
  }

  #rank(userId: string): number | null {
    return this.#index.rank(userId) ?? null;
  }

  #readable(): RankIndex {
    if (this.#waiting !== undefined) throw new NotReady('The board is being loaded');
    return this.#index;
  }
}
