import type { BoardKey } from '../board-key.js';
import { Loop } from '../loop.js';
import type { Queryable } from '../postgres/database.js';
import { PostgresBoard } from './postgres-boards.js';
import { type Board, type BoardReader, NotReady, type Projection } from './projection.js';

/** A board that nobody has used for this long is closed, in milliseconds. */
const IDLE_MS = 900_000;
const SWEEP_EVERY_MS = 30_000;
/** Over the budget, boards are closed until this part of it is left, so that the next one does not need another sweep. */
const SWEPT_TO = 0.9;

export interface OpenBoard {
  readonly projection: Projection;
  /** Read while the projection is not ready. */
  readonly truth: BoardReader;
  /** Loads the projection until it is ready. */
  readonly loading: Loop;
  bytes: number;
  /** When PostgreSQL last answered a stream in place of the projection, and up to when the projection has all that was committed. */
  shownUntil: number;
  caughtUpTo: number;
  /** On the clock of `performance.now()`, like `loadingSince`. */
  usedAt: number;
  /** Undefined while the projection is ready. */
  loadingSince: number | undefined;
}

interface OpenBoardsOptions {
  /** Makes the projection of a board, which is not loaded yet. */
  readonly project: (board: Board) => Projection;
  readonly database: Queryable;
  /** Memory that projections may take in this process. One that is larger by itself is still opened. */
  readonly maxBytes: number;
  /** Called when a cold board is opened. */
  readonly onOpen?: () => void;
  /** Called when a projection was loaded. */
  readonly onLoaded?: (projection: Projection) => void;
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
  readonly #sweeps: Loop;
  #bytes = 0;

  constructor(options: OpenBoardsOptions) {
    this.#options = options;
    const { onError } = options;
    this.#sweeps = new Loop(async () => this.#sweep(), { everyMs: SWEEP_EVERY_MS, onError }).start();
  }

  get size(): number {
    return this.#boards.size;
  }

  /** Memory of all projections, as far as it was last looked at. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How long the board that is loading longest has not been ready, in milliseconds. 0 if all are ready. */
  get longestLoadMs(): number {
    const now = performance.now();
    let longest = 0;
    for (const { loadingSince = now } of this.#boards.values())
      longest = Math.max(longest, now - loadingSince);
    return longest;
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
    open.loadingSince ??= performance.now();
    open.loading.request();
    this.announce(key);
  }

  /** Changes of any board may have been missed. */
  reloadAll(): void {
    for (const { projection } of this.#boards.values()) this.reload(projection.board.key);
  }

  /** Closes a board that is no longer read from a projection. */
  closeBoard(board: BoardKey): void {
    this.#forget(board.text);
  }

  /** Closes the boards of a deleted leaderboard. */
  closeLeaderboard(leaderboard: string): void {
    for (const [text, { projection }] of this.#boards)
      if (projection.board.key.leaderboard === leaderboard) this.#forget(text);
  }

  close(): void {
    void this.#sweeps.stop();
    for (const { loading } of this.#boards.values()) void loading.stop();
  }

  #open(board: Board): OpenBoard {
    const projection = this.#options.project(board);
    const truth = new PostgresBoard(board, this.#options.database);
    const loading = new Loop((signal) => this.#load(open, signal), {
      onError: (error) => {
        if (!(error instanceof NotReady)) this.#options.onError(error);
      },
    });
    const now = performance.now();
    const never = Number.NEGATIVE_INFINITY;
    const times = { shownUntil: never, caughtUpTo: never, usedAt: now, loadingSince: now };
    const open: OpenBoard = { projection, truth, loading, bytes: 0, ...times };
    this.#forget(board.key.text);
    this.#boards.set(board.key.text, open);
    this.#account(open);
    this.#options.onOpen?.();
    loading.request();
    return open;
  }

  async #load(open: OpenBoard, signal: AbortSignal): Promise<void> {
    const { projection } = open;
    while (!projection.isReady && !signal.aborted) await projection.load(signal);
    if (signal.aborted) return;
    open.loadingSince = undefined;
    this.#account(open);
    this.announce(projection.board.key);
    this.#options.onLoaded?.(projection);
  }

  #account(open: OpenBoard): void {
    const { bytes } = open.projection;
    this.#bytes += bytes - open.bytes;
    open.bytes = bytes;
    if (this.#bytes > this.#options.maxBytes) this.#shrink(open);
  }

  #sweep(): void {
    const idleSince = performance.now() - IDLE_MS;
    for (const [text, open] of this.#boards) {
      if (open.usedAt < idleSince) this.#forget(text);
      else this.#account(open);
    }
  }

  /** Closes other boards than this one, which has grown. */
  #shrink(kept: OpenBoard): void {
    const byUse = [...this.#boards].filter(([, open]) => open !== kept);
    byUse.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [text] of byUse) {
      if (this.#bytes <= SWEPT_TO * this.#options.maxBytes) return;
      this.#forget(text);
    }
  }

  #forget(text: string): void {
    const open = this.#boards.get(text);
    if (open === undefined) return;
    this.#bytes -= open.bytes;
    this.#boards.delete(text);
    void open.loading.stop();
  }
}
