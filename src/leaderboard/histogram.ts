import type { Sort } from './entry.js';
import type { Counts } from './projection.js';

/** Scores from `from` to `to`, both among them. */
export interface Bin {
  readonly from: number;
  readonly to: number;
}

/**
 * At most so many bins of equal width, ascending, that cover all scores from the lowest to the highest; the last one may be narrower.
 * The span may be wider than what JavaScript counts exactly.
 */
export function binsOf(lowest: number, highest: number, most: number): Bin[] {
  const [low, high] = [BigInt(lowest), BigInt(highest)];
  const width = (high - low) / BigInt(most) + 1n;
  const bins: Bin[] = [];
  for (let from = low; from <= high; from += width) {
    const to = from + width - 1n;
    bins.push({ from: Number(from), to: Number(to < high ? to : high) });
  }
  return bins;
}

/** The scores that countThrough() is to be asked for, to know how many entries are in each bin: one less than there are bins. */
export const boundsOf = (sort: Sort, bins: readonly Bin[]): number[] =>
  sort === 'desc' ? bins.slice(1).map(({ from }) => from) : bins.slice(0, -1).map(({ to }) => to);

/** How many entries are in each bin. What has left the span of the bins since it was looked at is in the first or the last one. */
export function entriesIn(sort: Sort, { total, counts }: Counts): number[] {
  const bounds = sort === 'desc' ? [total, ...counts, 0] : [0, ...counts, total];
  return bounds.slice(1).map((bound, i) => Math.abs(bound - (bounds[i] ?? 0)));
}
