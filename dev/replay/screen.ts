import type { Player } from './match-file.js';

export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Milliseconds since 1970, in the tournament's own time. */
  readonly at: number;
  readonly scorer: Player;
  /** Null if the receipt had no rank. */
  readonly rank: number | null;
}

/** Standard output, or a substitute in tests. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const BAR_WIDTH = 24;
/** Lines that a whole replay writes to a pipe or a file. */
const MILESTONES = 10;

/** Draws a progress bar on a terminal, and writes a few lines to a pipe or a file. */
export class Screen {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  progress(progress: Progress): void {
    if (this.#output.isTTY) {
      const line = `${bar(progress)}  ${describe(progress)}`;
      // A wrapped line could not be overwritten.
      const fitting = [...line].slice(0, (this.#output.columns ?? 80) - 1).join('');
      this.#output.write(`\r${fitting}\x1b[K`);
    } else if (milestone(progress.done, progress.total) > milestone(progress.done - 1, progress.total)) {
      this.#output.write(`${describe(progress)}\n`);
    }
  }

  /** Replaces the bar by lines that stay. */
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
  const place = rank === null ? '' : `, now number ${rank}`;
  return `${count}  ${minute(at)}  ${scorer.name} (${scorer.team})${place}`;
}

const milestone = (done: number, total: number) => Math.floor((MILESTONES * done) / total);

/** '2026-06-11 19:09' */
export const minute = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** A text table; columns of numbers are aligned to the right. */
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
