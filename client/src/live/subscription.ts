import type { components } from '../api.js';
import { origin } from '../http.js';
import type { ScoreboardError } from '../problem.js';
import { type ConnectionOptions, connect, type LiveState, type StreamEvent } from './connection.js';

export type { EventSourceClass, LiveState } from './connection.js';

type Entry = components['schemas']['Entry'];

/** The top of a leaderboard at one moment. */
export interface Board {
  readonly leaderboard: string;
  readonly season: number;
  /** Null while the end of the season is open. */
  readonly seasonEndsAt: string | null;
  /** How scores are written; absent if they are plain numbers. */
  readonly unit?: components['schemas']['Unit'];
  readonly version: number;
  /** Number of entries on the whole board. */
  readonly total: number;
  /** The time of the service when it sent this. */
  readonly now: string;
  readonly items: readonly Entry[];
}

/** The entry of one user; ranks and score are null while there is none. */
export interface Standing {
  readonly userId: string;
  readonly rank: number | null;
  /** The rank that all entries with the same score share. */
  readonly sharedRank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** A season that has begun while the stream was open. */
export interface SeasonStart {
  readonly leaderboard: string;
  readonly season: number;
  readonly previous: number;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly label: string | null;
  readonly now: string;
}

/** The first ten of a season that is final. */
export interface FinalStandings {
  readonly leaderboard: string;
  readonly season: number;
  readonly digest: string;
  readonly items: readonly Entry[];
}

/** The state of a subscription. A listener gets a new one at each change; unchanged parts are the same objects. */
export interface LiveView {
  /** With `reconnecting`, `board` is the last one received. */
  readonly state: LiveState;
  /** Null until the first event. */
  readonly board: Board | null;
  /** The entry of `user` in the options; null until the first event. */
  readonly standing: Standing | null;
  /** The season that has begun last; null if none has since the first event. */
  readonly season: SeasonStart | null;
  /** The last board of the season before; null if none has ended since the first event. */
  readonly ended: Board | null;
  /** The final standings that came last. */
  readonly final: FinalStandings | null;
  /** Plus `performance.now()` it is the time of the service, in milliseconds; null until the first event. */
  readonly timeOffset: number | null;
  /** The reason for `closed`, or for `reconnecting` if it is known; null if the caller has closed it. */
  readonly error: ScoreboardError | null;
}

export interface LiveOptions extends ConnectionOptions {
  /** Number of entries, 1 to 100; default 10. */
  readonly limit?: number;
  /** A user whose entry is sent too, as `standing`. */
  readonly user?: string;
}

/** The view before anything has happened. */
export const NOTHING_YET: LiveView = {
  state: 'connecting',
  board: null,
  standing: null,
  season: null,
  ended: null,
  final: null,
  timeOffset: null,
  error: null,
};

/**
 * Calls `listener` with the state of a leaderboard, now and at each change, until the returned function is called. It reconnects by
 * itself: see connect().
 */
export function subscribe(
  baseUrl: string,
  leaderboard: string,
  listener: (view: LiveView) => void,
  { limit = 10, user, ...options }: LiveOptions = {},
): () => void {
  let view = NOTHING_YET;
  return connect(
    origin(baseUrl),
    streamPath(leaderboard, limit, user),
    (state, event, error) => {
      view = { ...(event ? advance(view, event) : view), state, error };
      listener(view);
    },
    options,
  );
}

/** The path of the stream of one leaderboard. */
export const streamPath = (leaderboard: string, limit: number, user?: string): string =>
  `/v1/leaderboards/${encodeURIComponent(leaderboard)}/stream?limit=${limit}${
    user ? `&user=${encodeURIComponent(user)}` : ''
  }`;

/** The view after an event of its board. */
export function advance(view: LiveView, { type, data }: StreamEvent): LiveView {
  const news = JSON.parse(data);
  switch (type) {
    case 'snapshot':
    case 'leaderboard': {
      const board: Board = news;
      const hasEnded = view.board !== null && view.board.season < board.season;
      const timeOffset = Date.parse(board.now) - performance.now();
      return { ...view, board, ended: hasEnded ? view.board : view.ended, timeOffset };
    }
    case 'rank':
      return { ...view, standing: news };
    case 'season':
      return { ...view, season: news };
    case 'final':
      return { ...view, final: news };
    case 'problem':
      return view;
  }
}
