import type { Player } from './match-file.js';

export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Milliseconds since 1970, in the tournament's own time. */
  readonly at: number;
  readonly scorer: Player;
  /** Null while the service does not know it. */
  readonly rank: number | null;
}

/** Standard output, or what stands in for it. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const BAR_WIDTH = 24;
/** How many lines a whole replay writes where nobody watches a bar. */
const MILESTONES = 10;

/** Draws a bar in place on a terminal, and a line now and then in a pipe or a log file. */
export class Screen {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  progress(progress: Progress): void {
    if (this.#output.isTTY) {
      const line = `${bar(progress)}  ${describe(progress)}`;
      // A line that wraps could not be drawn over.
      const fitting = [...line].slice(0, (this.#output.columns ?? 80) - 1).join('');
      this.#output.write(`\r${fitting}\x1b[K`);
    } else if (milestone(progress.done, progress.total) > milestone(progress.done - 1, progress.total)) {
      this.#output.write(`${describe(progress)}\n`);
    }
  }

  /** Writes lines for keeps, in place of the bar. */
  print(text: string): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  clear(): void {
    if (this.#output.isTTY) this.#output.write('\r\x1b[K');
  }
}

function bar({ done, total }: Progress): string {
  const filled = Math.round((BAR_WIDTH * done) / total);
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
}

function describe({ done, total, at, scorer, rank }: Progress): string {
  const count = `${String(done).padStart(String(total).length)}/${total}`;
  const standing = rank === null ? '' : `, now number ${rank}`;
  return `${count}  ${minute(at)}  ${scorer.name} (${scorer.team})${standing}`;
}

const milestone = (done: number, total: number) => Math.floor((MILESTONES * done) / total);

/** '2026-06-11 19:09' */
export const minute = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** Columns side by side; those that hold numbers only are aligned to the right. */
export function table(head: string[], rows: (string | number)[][]): string {
  const columns = head.map((title, column) => {
    const cells = rows.map((row) => row[column] ?? '');
    const width = Math.max(...[title, ...cells].map(length));
    const numeric = cells.every((cell) => typeof cell === 'number');
    return [title, ...cells].map((cell) => {
      const space = ' '.repeat(width - length(cell));
      return numeric ? space + cell : cell + space;
    });
  });
  return [head, ...rows]
    .map((_, row) => `  ${columns.map((column) => column[row]).join('  ')}`.trimEnd())
    .join('\n');
}

const length = (cell: string | number) => [...String(cell)].length;
