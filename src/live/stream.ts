import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Frame, type Frames, pingFrame, retryFrame } from './frames.js';

export type StreamEnd = 'client' | 'stalled' | 'shutdown' | 'banned' | 'error';

/** What a stream shows; see Topic. */
export interface Shown {
  readonly revision: number;
  readonly frames: Frames | null;
}

const MAX_BUFFERED_BYTES = 64 * 1024;

/**
 * One client's connection. It keeps no queue, only which revision of each topic it has shown; whenever it may write,
 * it writes the newest frame of each topic whose revision has changed.
 *
 * - *opening*: the headers are out and `retry:` is written; the source has not answered yet for its boards.
 * - *live*: a snapshot has been written. Each flush of a board calls `catchUp()`.
 * - *stalled*: more than 64 KiB were waiting in the process when it was about to write. Nothing more is written, so
 *   the client costs at most that and one frame. When the socket has drained, *live* again and caught up, which may
 *   be sooner than a flush interval after the last event. When it does not drain in time, the socket is destroyed.
 * - *ended*: by the client, the stall, an error of the response, a ban or the shutdown of the hub, whichever is first.
 *   `onEnd` is called exactly once, and nothing is written afterwards.
 */
export class Stream {
  #boards: readonly (readonly { readonly topic: Shown; revision: number }[])[] = [];
  #stall: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly stallTimeoutMs: number,
    private readonly onEnd: (reason: StreamEnd) => void,
    /** Whether each event has to say of which board it is. */
    private readonly isOfSeveral = false,
  ) {}

  /**
   * @param boards the topics of each board, in the order in which they are to be shown
   * @param problems what is to be said of boards that cannot be shown
   */
  open(boards: readonly (readonly Shown[])[], problems: readonly Frame[] = []): void {
    this.#boards = boards.map((topics) => topics.map((topic) => ({ topic, revision: 0 })));
    const { response } = this;
    response.on('close', () => this.#end('client'));
    // Stays after the end: an 'error' without a listener would end the process.
    response.on('error', () => this.#abort('error'));
    if (response.destroyed || response.writableEnded) {
      this.#end('client');
      return;
    }
    this.#write(retryFrame());
    for (const problem of problems) this.#write(problem);
    this.catchUp();
  }

  /** Writes the frames that are newer than those that the client was sent; nothing if the socket is full. */
  catchUp(): void {
    for (const topics of this.#boards) {
      for (const shown of topics) {
        const { revision, frames } = shown.topic;
        // Of a board, nothing goes out before its snapshot.
        if (frames === null) break;
        if (shown.revision === revision) continue;
        const named = this.isOfSeveral ? frames.named : undefined;
        const frame = named ?? (shown.revision === 0 ? frames.first : frames.next);
        if (frame !== null && !this.#write(frame)) return;
        shown.revision = revision;
      }
    }
  }

  ping(): void {
    this.#write(pingFrame);
  }

  /** Ends the stream. At a shutdown the server's own close() then drops the connection, even if the client does not read. */
  close(reason: 'shutdown' | 'banned' = 'shutdown'): void {
    if (this.#ended) return;
    this.#end(reason);
    this.response.end(retryFrame().event);
  }

  #write(frame: Frame): boolean {
    if (this.#ended || this.#stall !== undefined) return false;
    const { response } = this;
    const { socket } = response;
    if (response.writableLength > MAX_BUFFERED_BYTES) {
      this.#stall = setTimeout(() => this.#abort('stalled'), this.stallTimeoutMs).unref();
      (socket ?? response).once('drain', () => this.#drained());
      return false;
    }
    // A response that waits for the one before it on its connection has no socket, and buffers what is written.
    const isFlushed = socket !== null && socket.writableLength === response.writableLength;
    if (isFlushed && socket.writable && response.chunkedEncoding) socket.write(frame.chunk);
    else response.write(frame.event);
    return true;
  }

  #drained(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.catchUp();
  }

  #abort(reason: StreamEnd): void {
    this.#end(reason);
    this.response.destroy();
  }

  #end(reason: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#stall);
    this.onEnd(reason);
  }
}

const STREAMS_A_TURN = 256;

/** Visits all streams, some in each turn of the event loop: thousands of writes in one turn would block it for long. */
export async function eachStream(streams: Iterable<Stream>, visit: (stream: Stream) => void): Promise<void> {
  let visited = 0;
  for (const stream of streams) {
    visit(stream);
    if (++visited % STREAMS_A_TURN === 0) await nextTurn();
  }
}
