import type { Ratio } from './pairs.js';
import type { Stage } from './stage.js';

/** One line of the table. */
export interface Result {
  /** What was measured, and in which unit. */
  readonly what: string;
  /** What the other side of the ratio is; empty for a figure that stands alone. */
  readonly against: string;
  readonly figure: Ratio | number;
  /** What the figure is to reach; a line without it explains another. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
}

/** One subject of the benchmark: `npm run bench -- <name>` runs it alone. */
export type Case = (stage: Stage) => Promise<Result[]>;
