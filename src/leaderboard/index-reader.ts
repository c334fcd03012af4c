import { type Entry, type RankedEntry, rankedFrom } from './entry.js';
import type { BoardReader, Counts, Mark, Page, Placement } from './projection.js';
import type { RankIndex } from './rank-index/rank-index.js';

/** Reads a board whose entries are in the memory of this process. */
export class IndexReader implements BoardReader {
  readonly #index: () => RankIndex;
  readonly #position: () => Pick<Page, 'epoch' | 'version'>;

  /** @param index may throw `NotReady` */
  constructor(index: () => RankIndex, position: () => Pick<Page, 'epoch' | 'version'>) {
    this.#index = index;
    this.#position = position;
  }

  async page(limit: number, after?: Entry): Promise<Page> {
    return after === undefined ? this.slice(0, limit) : this.near({ after }, 0, limit);
  }

  async slice(start: number, limit: number): Promise<Page> {
    return this.#page(this.#index(), start, limit);
  }

  async near(mark: Mark, before: number, behind: number): Promise<Page> {
    const index = this.#index();
    const place = index.place(mark);
    const start = Math.max(place - before, 0);
    return this.#page(index, start, place + behind - start);
  }

  async countThrough(scores: readonly number[]): Promise<Counts> {
    const index = this.#index();
    return { total: index.size, counts: scores.map((below) => index.place({ below })) };
  }

  async placement(userId: string): Promise<Placement | null> {
    const index = this.#index();
    const rank = index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 2, 0);
    const entries = index.slice(start, rank - start);
    const entry = entries.pop();
    const above = entries.pop() ?? null;
    if (entry === undefined) return null;
    const sharedRank = above?.score === entry.score ? index.countBetter(entry.score) + 1 : rank;
    const best = start === 0 ? (above ?? entry).score : (index.slice(0, 1)[0]?.score ?? entry.score);
    return { total: index.size, entry: { ...entry, rank, sharedRank }, above, best };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const index = this.#index();
    const rank = index.rank(userId);
    if (rank === undefined) return null;
    const start = Math.max(rank - 1 - radius, 0);
    return this.#page(index, start, rank + radius - start);
  }

  async many(userIds: readonly string[]): Promise<Page> {
    const index = this.#index();
    const entries = [...new Set(userIds)].flatMap((userId): RankedEntry[] => {
      const entry = index.get(userId);
      const rank = index.rank(userId);
      if (entry === undefined || rank === undefined) return [];
      return [{ ...entry, rank, sharedRank: index.countBetter(entry.score) + 1 }];
    });
    return this.#answer(
      index,
      entries.sort((a, b) => a.rank - b.rank),
    );
  }

  #page(index: RankIndex, start: number, count: number): Page {
    return this.#answer(index, slice(index, start, count));
  }

  #answer(index: RankIndex, entries: RankedEntry[]): Page {
    return { ...this.#position(), total: index.size, entries };
  }
}

function slice(index: RankIndex, start: number, count: number): RankedEntry[] {
  const entries = index.slice(start, count);
  const [first] = entries;
  const better = start === 0 || first === undefined ? 0 : index.countBetter(first.score);
  return rankedFrom(start + 1, better + 1, entries);
}
