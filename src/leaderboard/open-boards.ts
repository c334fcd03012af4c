import type { Queryable } from '../database.js';
import { retry } from '../retry.js';
import type { BoardKey } from './board-key.js';
import { PostgresBoard } from './postgres-boards.js';
import { type Board, type BoardReader, NotReady, type Projection } from './projection.js';

/** A board that nobody has used for this long is closed, in milliseconds. */
const IDLE_MS = 900_000;
const SWEEP_EVERY_MS = 30_000;
/** Over the budget, boards are closed until this part of it is left, so that the next one does not need another sweep. */
const SWEPT_TO = 0.9;

interface OpenBoard {
  readonly projection: Projection;
  /** Read while the projection is not ready. */
  readonly truth: BoardReader;
  bytes: number;
  isLoading: boolean;
  /** On the clock of `performance.now()`. */
  usedAt: number;
}

interface OpenBoardsOptions {
  /** Makes the projection of a board, which is not loaded yet. */
  readonly project: (board: Board) => Projection;
  readonly database: Queryable;
  /** Memory that projections may take in this process. The one used last stays open whatever it takes. */
  readonly maxBytes: number;
  readonly onError: (error: unknown) => void;
}

/**
 * The boards that are in use. A board is *cold* until somebody reads it or scores on it. Then its projection is opened and
 * loaded, while PostgreSQL answers in its place. It is closed when nobody has used it for a quarter of an hour, or, least
 * recently used first, when all projections together take more memory than they may.
 */
export class OpenBoards {
  readonly #options: OpenBoardsOptions;
  /** By the text of the board key. */
  readonly #boards = new Map<string, OpenBoard>();
  readonly #listeners: ((board: BoardKey) => void)[] = [];
  readonly #closed = new AbortController();
  readonly #sweeps: NodeJS.Timeout;
  #bytes = 0;

  constructor(options: OpenBoardsOptions) {
    this.#options = options;
    this.#sweeps = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref();
  }

  get size(): number {
    return this.#boards.size;
  }

  /** Memory of all projections, as far as it was last looked at. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Called with a board when something that its readers see may have changed. */
  onChange(listener: (board: BoardKey) => void): void {
    this.#listeners.push(listener);
  }

  announce(board: BoardKey): void {
    for (const listener of this.#listeners) listener(board);
  }

  /** The board, opened if it is cold, or again if it sorts in another direction now. */
  use(board: Board): OpenBoard {
    const known = this.#boards.get(board.key.text);
    if (known?.projection.board.sort === board.sort) {
      known.usedAt = performance.now();
      return known;
    }
    return this.#open(board);
  }

  /** The projection of a board that is open, which is not used by this. */
  peek(key: BoardKey): Projection | undefined {
    return this.#boards.get(key.text)?.projection;
  }

  projections(): Projection[] {
    return [...this.#boards.values()].map(({ projection }) => projection);
  }

  /** Changes of this board may have been missed. A cold board needs nothing. */
  reload(key: BoardKey): void {
    const open = this.#boards.get(key.text);
    if (open === undefined) return;
    open.projection.markStale();
    void this.#load(open);
    this.announce(key);
  }

  /** Changes of any board may have been missed. */
  reloadAll(): void {
    for (const { projection } of this.#boards.values()) this.reload(projection.board.key);
  }

  close(): void {
    this.#closed.abort();
    clearInterval(this.#sweeps);
  }

  #open(board: Board): OpenBoard {
    const projection = this.#options.project(board);
    const truth = new PostgresBoard(board, this.#options.database);
    const open = { projection, truth, bytes: 0, isLoading: false, usedAt: performance.now() };
    this.#forget(board.key.text);
    this.#boards.set(board.key.text, open);
    this.#account(open);
    void this.#load(open);
    return open;
  }

  async #load(open: OpenBoard): Promise<void> {
    if (open.isLoading) return;
    open.isLoading = true;
    const { projection } = open;
    await retry(
      async () => {
        while (this.#isOpen(open) && !projection.isReady) await projection.load();
        open.isLoading = false;
        if (!this.#isOpen(open)) return;
        this.#account(open);
        this.announce(projection.board.key);
      },
      this.#closed.signal,
      (error) => {
        if (!(error instanceof NotReady)) this.#options.onError(error);
      },
    );
  }

  #isOpen(open: OpenBoard): boolean {
    return this.#boards.get(open.projection.board.key.text) === open;
  }

  #account(open: OpenBoard): void {
    const { bytes } = open.projection;
    this.#bytes += bytes - open.bytes;
    open.bytes = bytes;
    if (this.#bytes > this.#options.maxBytes) this.#shrink();
  }

  #sweep(): void {
    const idleSince = performance.now() - IDLE_MS;
    for (const [text, open] of this.#boards) {
      if (open.usedAt < idleSince) this.#forget(text);
      else this.#account(open);
    }
  }

  #shrink(): void {
    const byUse = [...this.#boards].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    byUse.pop();
    for (const [text] of byUse) {
      if (this.#bytes <= SWEPT_TO * this.#options.maxBytes) return;
      this.#forget(text);
    }
  }

  #forget(text: string): void {
    this.#bytes -= this.#boards.get(text)?.bytes ?? 0;
    this.#boards.delete(text);
  }
}
