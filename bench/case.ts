import type { Ratio } from './pairs.js';
import type { Testbed } from './testbed.js';

/** One line of the table. */
export interface Result {
  /** What was measured, and in which unit. */
  readonly what: string;
  /** The other side of the ratio; empty for an absolute figure. */
  readonly against: string;
  readonly figure: Ratio | number;
  /** The goal; a line without one only explains another. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
}

/** One subject of the benchmark; `npm run bench -- <name>` runs it alone. */
export type Case = (testbed: Testbed) => Promise<Result[]>;
