import type { Entry } from '../../schemas/leaderboard.js';
import type { BoardState, UserRank } from '../leaderboard/board-state.js';

/*
 * The wire format of the live stream. Data is JSON on one line: JSON escapes \r and \n, the only line ends of the format,
 * so nothing that a player writes into a display name can start a field of its own.
 */

/** One whole server-sent event, ready for any socket. */
export interface Frame {
  readonly event: Buffer;
  /** The event as a chunk of HTTP/1.1, so that it is made once for all clients. Shares the memory of `event`. */
  readonly chunk: Buffer;
}

function frameOf(event: string): Frame {
  const head = `${Buffer.byteLength(event).toString(16)}\r\n`;
  const chunk = Buffer.from(`${head}${event}\r\n`);
  return { event: chunk.subarray(head.length, -2), chunk };
}

/** The state of one topic at one moment, as two events with the same data. */
export interface Frames {
  /** For a stream that was sent nothing of the topic yet. */
  readonly first: Frame;
  /** For a stream that was sent an older state. */
  readonly next: Frame;
}

export class BoardFrames implements Frames {
  #snapshot: Frame | undefined;
  #leaderboard: Frame | undefined;

  /** @param items the entries to show, as JSON joined by commas */
  constructor(
    private readonly state: BoardState,
    private readonly items: string,
  ) {}

  get first(): Frame {
    this.#snapshot ??= this.#event('snapshot');
    return this.#snapshot;
  }

  get next(): Frame {
    this.#leaderboard ??= this.#event('leaderboard');
    return this.#leaderboard;
  }

  /** A new version alone is no change: most changes of a board are below the entries that a client shows. */
  equals(other: BoardFrames): boolean {
    return this.state.total === other.state.total && this.items === other.items;
  }

  #event(name: string): Frame {
    const { epoch, board, version, total } = this.state;
    const { leaderboard, season } = board;
    const head = JSON.stringify({ leaderboard, season, version, total }).slice(0, -1);
    return frameOf(`id: ${epoch}-${version}\nevent: ${name}\ndata: ${head},"items":[${this.items}]}\n\n`);
  }
}

/** Has no id, because ids are versions of the board. */
export class RankFrames implements Frames {
  #rank: Frame | undefined;

  constructor(
    private readonly userId: string,
    private readonly userRank: UserRank,
  ) {}

  get first(): Frame {
    return this.next;
  }

  get next(): Frame {
    const { rank, score, total } = this.userRank;
    const data = { userId: this.userId, rank, score, total };
    this.#rank ??= frameOf(`event: rank\ndata: ${json(data)}\n\n`);
    return this.#rank;
  }

  /** A new total alone is no change: the board's own event has it, and it would cost a frame for each user. */
  equals(other: RankFrames): boolean {
    return this.userRank.rank === other.userRank.rank && this.userRank.score === other.userRank.score;
  }
}

export const pingFrame = frameOf(': ping\n\n');

const RETRY_FROM_MS = 1000;
const RETRY_TO_MS = 4000;

/** How long to wait before reconnecting: varied, or all clients would reconnect at once. */
export function retryFrame(): Frame {
  const delayMs = RETRY_FROM_MS + Math.round(Math.random() * (RETRY_TO_MS - RETRY_FROM_MS));
  return frameOf(`retry: ${delayMs}\n\n`);
}

/** An entry as JSON in `items`; made once a flush and shared by all limits. */
export function entryJson(entry: Entry): string {
  return json(entry);
}

/** Some parsers also split lines at these three, against the standard. */
const otherLineEnds = /[\u0085\u2028\u2029]/g;

function json(value: object): string {
  return JSON.stringify(value).replace(
    otherLineEnds,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
