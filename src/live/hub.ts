import type { ServerResponse } from 'node:http';
import pLimit from 'p-limit';
import type { BoardKey } from '../board-key.js';
import type { FeedState } from '../changes/change-feed.js';
import { Loop } from '../loop.js';
import type { BoardSource } from './board-source.js';
import type { Frame } from './frames.js';
import { LiveBoard, type View } from './live-board.js';
import { eachStream, Stream, type StreamEnd } from './stream.js';

/** How often the boards are read while nobody may say that they have changed, in milliseconds. */
const POLL_EVERY_MS = 1_000;
const POLLED_AT_ONCE = 2;
const RANKS_AT_ONCE = 32;

export interface HubOptions {
  readonly source: BoardSource;
  /** Says whether `boardChanged` is called for every change. While it is not, boards are read once a second. */
  readonly feed: FeedState;
  /** At most one `leaderboard` event a stream in this time. */
  readonly flushIntervalMs: number;
  readonly pingIntervalMs: number;
  /** How long a client may leave its socket full before its connection is closed. */
  readonly stallTimeoutMs: number;
  /** Counts the streams of all processes of this instance. */
  readonly slots: {
    take(address: string): boolean | Promise<boolean>;
    release(address: string): void;
  };
  /** The source failed; the hub tries again by itself, at least once a second. */
  onError(error: unknown): void;
  /** Called once for each stream that was subscribed. */
  onStreamEnd?(reason: StreamEnd): void;
}

export interface Subscription extends View {
  readonly board: BoardKey;
}

/** The right to hold one stream open. Releasing it twice is harmless. */
export interface ConnectionSlot {
  release(): void;
}

/**
 * Fans the boards out to the streams that watch them. It receives only *that* a board has changed, and reads the newest
 * state, so a client that is slow, late or reconnecting has nothing to catch up on but that state.
 */
export class Hub {
  readonly #options: HubOptions;
  /** By the id of the leaderboard. */
  readonly #boards = new Map<string, LiveBoard>();
  /** With the users whom they follow. */
  readonly #streams = new Map<Stream, ReadonlySet<string | undefined>>();
  /** Of all boards: while PostgreSQL answers, each is a query. */
  readonly #rankReads = pLimit(RANKS_AT_ONCE);
  readonly #pings: Loop;
  readonly #polls: Loop;
  #active = 0;
  #closed = false;

  constructor(options: HubOptions) {
    this.#options = options;
    const { pingIntervalMs: everyMs, onError } = options;
    const ping = () => eachStream(this.#streams.keys(), (stream) => stream.ping());
    this.#pings = new Loop(ping, { everyMs, onError }).start();
    this.#polls = new Loop(() => this.#poll(), { everyMs: POLL_EVERY_MS, onError }).start();
  }

  /** Streams that are open or about to be. */
  get active(): number {
    return this.#active;
  }

  /**
   * To be called before the handshake. Null when the instance is full, for all or for this address, or the hub is closed.
   * @throws Error if the slots cannot be counted
   */
  async admit(address: string): Promise<ConnectionSlot | null> {
    const { slots } = this.#options;
    if (this.#closed || !(await slots.take(address))) return null;
    this.#active++;
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#active--;
        slots.release(address);
      },
    };
  }

  /**
   * Streams to a response whose headers are out, until either side ends it. Takes over the slot. Never throws: while
   * the source fails the stream stays open and silent, but for its pings.
   * @param problems what is to be said of boards that cannot be shown; null for a stream of one board
   */
  subscribe(
    slot: ConnectionSlot,
    subscriptions: readonly Subscription[],
    response: ServerResponse,
    problems: readonly Frame[] | null = null,
  ): void {
    const views = subscriptions.map(({ board: key, ...view }) => ({
      board: this.#boards.get(key.leaderboard) ?? this.#watch(key),
      key,
      view,
    }));
    const onEnd = (reason: StreamEnd) => {
      this.#streams.delete(stream);
      for (const { board, view } of views) {
        board.leave(stream, view);
        if (board.isDeserted && this.#boards.get(board.leaderboard) === board)
          this.#boards.delete(board.leaderboard);
      }
      slot.release();
      this.#options.onStreamEnd?.(reason);
    };
    const stream = new Stream(response, this.#options.stallTimeoutMs, onEnd, problems !== null);
    this.#streams.set(stream, new Set(subscriptions.map(({ userId }) => userId)));
    const topics = views.map(({ board, key, view }) => {
      // A definition that is newer than the streams of the board shows that they have missed the change.
      if (key.season > board.season) board.seasonChanged();
      return board.join(stream, view);
    });
    stream.open(topics, problems ?? []);
    if (this.#closed) stream.close();
  }

  /** Something on this board has changed. Costs next to nothing; a board without streams is not read. */
  boardChanged({ leaderboard, season }: BoardKey): void {
    const board = this.#boards.get(leaderboard);
    if (board === undefined || season < board.season) return;
    if (season === board.season) board.changed();
    else board.seasonChanged();
  }

  /** A leaderboard is defined differently, or its next season has begun. */
  leaderboardChanged(leaderboard: string): void {
    this.#boards.get(leaderboard)?.seasonChanged();
  }

  /** Changes may have been missed. */
  resync(): void {
    for (const board of this.#boards.values()) board.seasonChanged();
  }

  /** The standings of a season are final, or final again. */
  seasonFinal(leaderboard: string, season: number): void {
    this.#boards
      .get(leaderboard)
      ?.showFinal(season)
      .catch((error: unknown) => this.#options.onError(error));
  }

  /** Ends the streams of a deleted leaderboard, each with its own time to reconnect: their clients then get a 404. */
  leaderboardRemoved(leaderboard: string): void {
    this.#boards.get(leaderboard)?.close();
  }

  /** Ends the streams that follow a user who is banned: nobody may open these now, and their clients are told so when they try. */
  userBanned(userId: string): void {
    for (const [stream, users] of this.#streams) if (users.has(userId)) stream.close('banned');
  }

  /**
   * Resolves once the present state of these boards is written to all their streams; at once for a board without streams.
   * @throws Error if too many callers wait for that already
   */
  async shown(boards: readonly BoardKey[]): Promise<void> {
    await Promise.all(boards.map(({ leaderboard }) => this.#boards.get(leaderboard)?.shown()));
  }

  /** Ends every stream, each with its own time to reconnect. Nobody is admitted afterwards. */
  close(): void {
    this.#closed = true;
    void this.#pings.stop();
    void this.#polls.stop();
    for (const stream of this.#streams.keys()) stream.close();
  }

  /** The next boards are read when these are shown, so that however many there are, PostgreSQL has few to read at a time. */
  async #poll(): Promise<void> {
    if (this.#options.feed.isCurrent) return;
    await pLimit(POLLED_AT_ONCE).map([...this.#boards.values()], (board) => {
      board.seasonChanged();
      return board.shown();
    });
  }

  #watch(key: BoardKey): LiveBoard {
    const { source, flushIntervalMs } = this.#options;
    const onError = (error: unknown) => this.#options.onError(error);
    const board = new LiveBoard(key, source, flushIntervalMs, this.#rankReads, onError);
    this.#boards.set(key.leaderboard, board);
    return board;
  }
}
