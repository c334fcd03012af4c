/** The share of entries at a rank or below, in per cent, to two decimals. */
export const percentileOf = (rank: number, total: number): number =>
  Math.round((1 - (rank - 1) / total) * 10_000) / 100;

/** The last rank with this percentile or a higher one, in whole hundredths; 1 if there is none. */
export const rankAt = (percentile: number, total: number): number =>
  Math.max(Math.min(Math.floor(((10_000 - Math.round(100 * percentile)) * total) / 10_000) + 1, total), 1);
