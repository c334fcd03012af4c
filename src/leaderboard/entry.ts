import type { BoardKey } from '../board-key.js';

export type Sort = 'asc' | 'desc';

/** What decides one user's place on a board. Entries are ordered by score, then `achievedAt`, then user id. */
export interface Entry {
  readonly userId: string;
  /** An integer within ±(2^53 − 1). */
  readonly score: number;
  /** Milliseconds since 1970. */
  readonly achievedAt: number;
}

/** An entry and its place on the board, from 1. Entries with the same score share the rank of the first of them. */
export interface RankedEntry extends Entry {
  readonly rank: number;
  readonly sharedRank: number;
}

/** Entries that follow one another on a board, with their ranks, of which those of the first are given. */
export function rankedFrom(rank: number, sharedRank: number, entries: readonly Entry[]): RankedEntry[] {
  let shared = sharedRank;
  return entries.map((entry, i) => {
    if (i > 0 && entry.score !== entries[i - 1]?.score) shared = rank + i;
    return { ...entry, rank: rank + i, sharedRank: shared };
  });
}

/** The version counts the changes of one entry: of two reports of it, the one with the higher version is newer. */
export interface VersionedEntry extends Entry {
  readonly version: number;
}

/** What an entry is from a version on. A null score removes it; a later version may bring it back. */
export interface EntryChange extends Omit<VersionedEntry, 'score'> {
  readonly score: number | null;
}

export const hasScore = (change: EntryChange): change is VersionedEntry => change.score !== null;

/** A committed change of one entry of one board. */
export interface BoardChange extends EntryChange {
  readonly board: BoardKey;
}

/** Items by the board that each is about, in their order. The keys are the texts of the board keys. */
export function byBoard<T>(items: readonly T[], boardOf: (item: T) => BoardKey): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const { text } = boardOf(item);
    const group = groups.get(text);
    if (group === undefined) groups.set(text, [item]);
    else group.push(item);
  }
  return groups;
}

/** A committed score: the entry it led to, and what the entry was before, or null if it was not on the board. */
export interface ScoredChange extends BoardChange {
  readonly score: number;
  readonly previous: Pick<Entry, 'score' | 'achievedAt'> | null;
}

/** Ranks from 1; null if the user had or has no entry, or if the rank is not known. */
export interface RankChange {
  readonly previousRank: number | null;
  readonly rank: number | null;
}

/** The order of entries, as columns of `scores`. */
export const ENTRY_ORDER = 'sort_key, achieved_at, user_id';

/** A score as it sorts ascending, and back. `0 -` and not `-`: Redis distinguishes −0 from 0. */
export const sortKey = (sort: Sort, score: number): number => (sort === 'desc' ? 0 - score : score);
