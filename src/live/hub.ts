import type { ServerResponse } from 'node:http';
import type { BoardSource } from './board-source.js';
import { LiveBoard, type View } from './live-board.js';
import { type Seat, Seats } from './seats.js';
import { eachStream, Stream, type StreamEnd } from './stream.js';

export type { BoardSource, BoardState, OwnStanding } from './board-source.js';
export type { Seat } from './seats.js';
export type { StreamEnd } from './stream.js';

export interface HubOptions {
  readonly source: BoardSource;
  /** At most one `leaderboard` event a stream in this time. */
  readonly flushIntervalMs: number;
  readonly pingIntervalMs: number;
  /** How long a client may leave its socket full before it is cut off. */
  readonly stallTimeoutMs: number;
  readonly maxStreams: number;
  readonly maxStreamsPerAddress: number;
  /** The source failed; the hub tries again by itself, at least once a second. */
  onError(error: unknown): void;
  /** Called once a stream that was subscribed. */
  onStreamEnd?(reason: StreamEnd): void;
}

export interface Subscription extends View {
  readonly leaderboard: string;
}

/**
 * Fans the boards out to the streams that watch them. Told only *that* a board has changed, it asks the source for the
 * newest state, so a client that is slow, late or reconnecting has nothing to catch up on but that state.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #seats: Seats;
  readonly #boards = new Map<string, LiveBoard>();
  readonly #streams = new Set<Stream>();
  readonly #pings: NodeJS.Timeout;
  #closed = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#seats = new Seats(options.maxStreams, options.maxStreamsPerAddress);
    this.#pings = setInterval(() => this.#ping(), options.pingIntervalMs).unref();
  }

  /** Streams that are open or about to be. */
  get active(): number {
    return this.#seats.taken;
  }

  /** To be called before the handshake. Null when the hub is full, for all or for this address, or closed. */
  admit(address: string): Seat | null {
    return this.#closed ? null : this.#seats.take(address);
  }

  /**
   * Streams to a response whose headers are out, until either side ends it. Takes over the seat. Never throws: while
   * the source fails the stream stays open and silent, but for its pings.
   */
  subscribe(seat: Seat, { leaderboard, ...view }: Subscription, response: ServerResponse): void {
    const board = this.#boards.get(leaderboard) ?? this.#watch(leaderboard);
    const stream = new Stream(response, this.#options.stallTimeoutMs, (reason) => {
      this.#streams.delete(stream);
      board.leave(stream, view);
      if (board.deserted) this.#boards.delete(leaderboard);
      seat.release();
      this.#options.onStreamEnd?.(reason);
    });
    this.#streams.add(stream);
    board.join(stream, view);
    if (this.#closed) stream.close();
  }

  /** Something on this board has changed. Costs next to nothing; a board that nobody watches is not read. */
  boardChanged(leaderboard: string): void {
    this.#boards.get(leaderboard)?.changed();
  }

  /**
   * Resolves once what these boards show now is written to all who watch them; at once for a board that nobody watches.
   * @throws Error if too many wait for that already
   */
  async shown(leaderboards: readonly string[]): Promise<void> {
    await Promise.all(leaderboards.map((leaderboard) => this.#boards.get(leaderboard)?.shown()));
  }

  /** Ends every stream, each with its own time to come back. Nobody is admitted afterwards. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#pings);
    for (const stream of this.#streams) stream.close();
  }

  #watch(leaderboard: string): LiveBoard {
    const { source, flushIntervalMs } = this.#options;
    const board = new LiveBoard(leaderboard, source, flushIntervalMs, (error) =>
      this.#options.onError(error),
    );
    this.#boards.set(leaderboard, board);
    return board;
  }

  #ping(): void {
    void eachStream(this.#streams, (stream) => stream.ping());
  }
}
