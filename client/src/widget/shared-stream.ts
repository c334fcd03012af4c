import { origin } from '../http.js';
import { connect, type LiveState, type StreamEvent } from '../live/connection.js';
import { advance, type LiveView, NOTHING_YET, streamPath } from '../live/subscription.js';
import { ScoreboardError } from '../problem.js';

/** What an element shows. */
export interface Watched {
  readonly src: string;
  readonly board: string;
  readonly limit: number;
  /** Empty if there is none. */
  readonly user: string;
}

type Listener = (view: LiveView) => void;

interface Feed extends Watched {
  readonly listeners: Set<Listener>;
  view: LiveView;
}

/** As many boards as one stream can have. */
const MAX_BOARDS = 32;
/** Elements of a page appear and change together. */
const SETTLE_MS = 20;
/** Feeds end their streams when the page is hidden. */
const OPTIONS = { pauseWhenHidden: false };

/** What distinguishes what is shown. */
export const keyOf = ({ board, limit, user }: Watched): string => `${board} ${limit} ${user}`;

/** One stream for several boards. When they change, another stream takes over: the old one goes on until the new one has begun. */
export class SharedStream {
  readonly #feeds = new Map<string, Feed>();
  /** That of the stream; empty if there is none, null if it shows a board no more that is still in its path. */
  #path: string | null = '';
  #stop = () => {};
  /** Ends a stream that has not begun yet. */
  #stopNext = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly src: string) {}

  hasRoomFor(watched: Watched): boolean {
    return this.#feeds.size < MAX_BOARDS || this.#feeds.has(keyOf(watched));
  }

  /** Calls `listener` with the state, now and at each change, until the returned function is called. */
  watch(watched: Watched, listener: Listener): () => void {
    const key = keyOf(watched);
    const feed = this.#feeds.get(key) ?? this.#begin(watched);
    this.#feeds.set(key, feed);
    feed.listeners.add(listener);
    this.#settle();
    listener(feed.view);
    return () => {
      feed.listeners.delete(listener);
      if (feed.listeners.size > 0 || this.#feeds.get(key) !== feed) return;
      this.#feeds.delete(key);
      this.#settle();
    };
  }

  /** What the stream already shows of the board is not sent again. */
  #begin(watched: Watched): Feed {
    const { board, limit, user } = watched;
    const others = [...this.#feeds.values()].filter((other) => other.board === board);
    const view = others.find((other) => other.limit >= limit)?.view ?? NOTHING_YET;
    const standing = others.find((other) => other.user === user)?.view.standing ?? null;
    const feed = { ...watched, listeners: new Set<Listener>(), view: NOTHING_YET };
    return { ...feed, view: { ...cut(view, feed), standing } };
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#connect();
    }, SETTLE_MS);
  }

  #connect(): void {
    const path = pathOf([...this.#feeds.values()]);
    if (path === this.#path) return;
    this.#stopNext();
    const isFirst = this.#path === '';
    this.#path = path;
    if (path === '') {
      this.#stop();
      return;
    }
    let hasBegun = isFirst;
    let stop = () => {};
    let isOver = false;
    const end = () => {
      isOver = true;
      stop();
    };
    const begin = () => {
      hasBegun = true;
      this.#stop();
      this.#stop = end;
      this.#stopNext = () => {};
    };
    if (isFirst) begin();
    else this.#stopNext = end;
    try {
      stop = connect(
        origin(this.src),
        path,
        (state, event, reason) => {
          if (isOver) return;
          // An element shows only what is permanent.
          const error = state === 'closed' ? reason : null;
          if (!hasBegun && (event || error)) begin();
          if (hasBegun) this.#receive(state, event, error);
        },
        OPTIONS,
      );
    } catch {
      this.#receive('closed', null, new ScoreboardError('unreachable', 'No such address.'));
    }
  }

  #receive(state: LiveState, event: StreamEvent | null, error: ScoreboardError | null): void {
    if (event === null) {
      for (const feed of [...this.#feeds.values()]) this.#update(feed, { ...feed.view, state, error });
      return;
    }
    const { leaderboard, userId, status, code, detail } = JSON.parse(event.data);
    for (const feed of [...this.#feeds.values()]) {
      // An event of the only board need not name it.
      if (leaderboard !== undefined && leaderboard !== feed.board) continue;
      if (event.type === 'rank' && userId !== feed.user) continue;
      if (event.type === 'problem')
        this.#update(feed, {
          ...feed.view,
          state: 'closed',
          error: new ScoreboardError(code, detail, { status }),
        });
      else this.#update(feed, { ...cut(advance(feed.view, event), feed), state, error: null });
    }
  }

  #update(feed: Feed, view: LiveView): void {
    feed.view = view;
    // Closed permanently: a later watch() asks again.
    if (view.state === 'closed') {
      this.#feeds.delete(keyOf(feed));
      this.#path = null;
      if (this.#feeds.size === 0) this.#settle();
    }
    for (const listener of [...feed.listeners]) listener(view);
  }
}

/** The stream may be of more entries than an element shows. What does not change for it stays the same object. */
function cut(view: LiveView, { view: before, limit }: Feed): LiveView {
  const { board } = view;
  if (board === null || board === before.board || board.items.length <= limit) return view;
  const top = { ...board, items: board.items.slice(0, limit) };
  const same = (one: LiveView['board']) => JSON.stringify({ ...one, version: 0, now: '' });
  return { ...view, board: before.board && same(before.board) === same(top) ? before.board : top };
}

/** The path of the stream of these boards, each at the largest limit; empty if there are none. */
function pathOf(feeds: readonly Watched[]): string {
  const limits = new Map<string, number>();
  for (const { board, limit } of feeds) limits.set(board, Math.max(limit, limits.get(board) ?? 0));
  const wanted = feeds.filter(
    ({ board, user }, i) =>
      (user !== '' || !feeds.some((other) => other.board === board && other.user !== '')) &&
      feeds.findIndex((other) => other.board === board && other.user === user) === i,
  );
  const [first] = wanted;
  if (first === undefined) return '';
  if (wanted.length === 1) return streamPath(first.board, limits.get(first.board) ?? first.limit, first.user);
  const boards = wanted.map(({ board, user }) =>
    [board, limits.get(board), ...(user ? [user] : [])].join(':'),
  );
  return `/v1/stream?boards=${encodeURIComponent(boards.join())}`;
}
