import type { Entry } from '../../schemas/leaderboard.js';
import type { BoardKey } from '../board-key.js';
import { instant, now } from '../clock.js';
import type { Problem } from '../errors.js';
import type { BoardState, UserRank } from '../leaderboard/board-state.js';
import type { FinalStandings, LiveSeason } from '../leaderboard/seasons.js';

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

/** The state of one topic at one moment. */
export interface Frames {
  /** For a stream that was sent nothing of the topic yet; null if it needs nothing. */
  readonly first: Frame | null;
  /** For a stream that was sent an older state. */
  readonly next: Frame | null;
  /** In place of both for a stream of several boards, if the others do not say of which board they are. */
  readonly named?: Frame;
}

/** Frames tell the time, so they are made anew after this long, in milliseconds. */
const FRESH_MS = 1_000;

/** A frame that tells the time as it is when the frame is written, and that is made once for all streams of a second. */
class TimedFrame {
  #frame: Frame | undefined;
  #madeAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly make: (now: string) => string) {}

  get frame(): Frame {
    const time = now();
    if (this.#frame === undefined || Math.abs(time - this.#madeAt) > FRESH_MS) {
      this.#frame = frameOf(this.make(instant(time)));
      this.#madeAt = time;
    }
    return this.#frame;
  }
}

export class BoardFrames implements Frames {
  readonly #snapshot = new TimedFrame((now) => this.#event('snapshot', now));
  readonly #leaderboard = new TimedFrame((now) => this.#event('leaderboard', now));

  /** @param items the entries to show, as JSON joined by commas */
  constructor(
    private readonly state: BoardState,
    private readonly season: Pick<LiveSeason, 'endsAt' | 'unit'>,
    private readonly items: string,
  ) {}

  get first(): Frame {
    return this.#snapshot.frame;
  }

  get next(): Frame {
    return this.#leaderboard.frame;
  }

  /** A new version alone is no change: most changes of a board are below the entries that a client shows. */
  equals({ state, season, items }: BoardFrames): boolean {
    return (
      this.state.board.season === state.board.season &&
      this.state.total === state.total &&
      this.season.endsAt === season.endsAt &&
      isSameUnit(this.season.unit, season.unit) &&
      this.items === items
    );
  }

  #event(name: string, now: string): string {
    const { epoch, board, version, total } = this.state;
    const { leaderboard, season } = board;
    const { endsAt: seasonEndsAt, unit } = this.season;
    const about = { leaderboard, season, seasonEndsAt, ...(unit && { unit }), version, total, now };
    const head = JSON.stringify(about).slice(0, -1);
    return `id: ${epoch}-${version}\nevent: ${name}\ndata: ${head},"items":[${this.items}]}\n\n`;
  }
}

const isSameUnit = (one: LiveSeason['unit'], other: LiveSeason['unit']): boolean =>
  one === other || JSON.stringify(one) === JSON.stringify(other);

/** Has no id, because ids are versions of the board. */
export class RankFrames implements Frames {
  #rank: Frame | undefined;
  #named: Frame | undefined;

  constructor(
    private readonly leaderboard: string,
    private readonly userId: string,
    private readonly userRank: UserRank,
  ) {}

  get first(): Frame {
    return this.next;
  }

  get next(): Frame {
    this.#rank ??= this.#event({});
    return this.#rank;
  }

  get named(): Frame {
    this.#named ??= this.#event({ leaderboard: this.leaderboard });
    return this.#named;
  }

  /** A new total alone is no change: the board's own event has it, and it would cost a frame for each user. */
  equals(other: RankFrames): boolean {
    const { rank, sharedRank, score } = this.userRank;
    const { userRank } = other;
    return rank === userRank.rank && sharedRank === userRank.sharedRank && score === userRank.score;
  }

  #event(name: { leaderboard?: string }): Frame {
    return frameOf(`event: rank\ndata: ${json({ ...name, userId: this.userId, ...this.userRank })}\n\n`);
  }
}

/** What happened last. A stream that begins afterwards is not told. */
export class NewsFrames implements Frames {
  readonly first = null;

  private constructor(
    private readonly about: string,
    private readonly news: { readonly frame: Frame } | null,
  ) {}

  /** Nothing has happened yet. */
  static readonly none = new NewsFrames('', null);

  /** A season has begun. */
  static season(leaderboard: string, previous: number, { season, startsAt, endsAt, label }: LiveSeason) {
    const data = { leaderboard, season, previous, startsAt, endsAt, label };
    return new NewsFrames(
      String(season),
      new TimedFrame((now) => `event: season\ndata: ${json({ ...data, now })}\n\n`),
    );
  }

  /** The standings of a season are final, or final again. */
  static final({ leaderboard, season }: BoardKey, { digest, items }: FinalStandings) {
    const data = json({ leaderboard, season, digest, items });
    return new NewsFrames(`${season} ${digest}`, { frame: frameOf(`event: final\ndata: ${data}\n\n`) });
  }

  get next(): Frame | null {
    return this.news?.frame ?? null;
  }

  equals({ about }: NewsFrames): boolean {
    return this.about === about;
  }
}

/** What keeps a stream of several boards from showing one of them. */
export function problemFrame(
  leaderboard: string,
  { statusCode: status, code, message: detail }: Problem,
): Frame {
  return frameOf(`event: problem\ndata: ${json({ leaderboard, status, code, detail })}\n\n`);
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
