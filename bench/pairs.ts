/** One thing compared with another that was measured alternately with it. */
export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Medians of the two sides, in the unit of the case. */
  readonly this: number;
  readonly against: number;
}

const PAIRS = 5;

/** Measures two things alternately, so that a machine that slows down slows both. The first of each only warms up. */
export async function pairs(
  measure: () => Promise<number>,
  against: () => Promise<number>,
  count = PAIRS,
): Promise<Ratio> {
  const ours: number[] = [];
  const theirs: number[] = [];
  await measure();
  await against();
  for (let i = 0; i < count; i++) {
    ours.push(await measure());
    theirs.push(await against());
  }
  return ratioOf(ours, theirs);
}

/** Of figures that were measured alternately. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const ratios = ours.map((figure, i) => figure / (theirs[i] ?? Number.NaN));
  return {
    median: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    this: median(ours),
    against: median(theirs),
  };
}

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
