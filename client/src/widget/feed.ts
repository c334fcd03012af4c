import { type LiveView, NOTHING_YET } from '../live/subscription.js';
import { type ErrorCode, ScoreboardError } from '../problem.js';
import { keyOf, SharedStream, type Watched } from './shared-stream.js';

export type { Watched } from './shared-stream.js';

type Listener = (view: LiveView) => void;

interface Feed {
  readonly watched: Watched;
  readonly listeners: Set<Listener>;
  view: LiveView;
  /** Leaves the stream of this page, if it has one. */
  leave: () => void;
}

/** What pages send each other: which boards one wants, that the page with the stream asks for them, and what it shows. */
type Message =
  | { readonly type: 'wants'; readonly from: string; readonly watched: readonly Watched[] }
  | { readonly type: 'ask' }
  | { readonly type: 'view'; readonly to: string; readonly key: string; readonly view: SentView };

interface SentView extends Omit<LiveView, 'error'> {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly status: number } | null;
  /** Of the page whose clock `timeOffset` belongs to. */
  readonly timeOrigin: number;
}

/** A page that is not answered for so long has a stream of its own, in milliseconds. */
const ALONE_MS = 2_000;
/** How often the page with the stream asks whether the others are still there, and how long it waits for their answers. */
const ASK_EVERY_MS = 60_000;
const ANSWER_MS = 5_000;

const BOARD = /^[a-z0-9][a-z0-9-]{0,62}$/;
const USER = /^(usr_[0-9a-z]{26})?$/;

const services = new Map<string, Service>();

/**
 * Calls `listener` with the state, now and at each change, until the returned function is called. All elements share a stream for
 * each service, also those of other visible pages of the same origin: a browser opens only six connections to a server.
 */
export function watch(watched: Watched, listener: Listener): () => void {
  const { src, board, user } = watched;
  // What the service would refuse has a stream of its own, so that the others are not refused with it.
  const name = BOARD.test(board) && USER.test(user) ? src : JSON.stringify([src, board, user]);
  const service = services.get(name) ?? new Service(name, src);
  services.set(name, service);
  return service.watch(watched, listener);
}

/**
 * - *absent*: the page is hidden, or shows nothing of the service.
 * - *following*: another page has the stream, and sends what it shows.
 * - *alone*: that page does not answer, or the browser has no channel between pages: this one has a stream for itself.
 * - *leading*: this page has the lock, and the stream of all.
 */
type Role = 'absent' | 'following' | 'alone' | 'leading';

class Service {
  readonly #id = Math.random().toString(36).slice(2);
  readonly #feeds = new Map<string, Feed>();
  readonly #streams: SharedStream[] = [];
  readonly #channel: BroadcastChannel | null;
  /** What other pages watch here, by page: leaves the streams. */
  readonly #guests = new Map<string, () => void>();
  #role: Role = 'absent';
  #resign = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly name: string,
    private readonly src: string,
  ) {
    const canShare = 'locks' in navigator && 'BroadcastChannel' in globalThis;
    this.#channel = canShare ? new BroadcastChannel(`live-leaderboard ${name}`) : null;
    this.#channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => this.#onMessage(data));
    document.addEventListener('visibilitychange', () => this.#attend());
  }

  watch(watched: Watched, listener: Listener): () => void {
    const key = keyOf(watched);
    const feed = this.#feeds.get(key) ?? {
      watched,
      listeners: new Set(),
      view: NOTHING_YET,
      leave: () => {},
    };
    const isNew = !this.#feeds.has(key);
    this.#feeds.set(key, feed);
    feed.listeners.add(listener);
    listener(feed.view);
    if (isNew) this.#begin(feed);
    return () => {
      feed.listeners.delete(listener);
      if (feed.listeners.size > 0 || this.#feeds.get(key) !== feed) return;
      this.#feeds.delete(key);
      feed.leave();
      this.#attend();
      if (this.#role === 'following') this.#want();
    };
  }

  #begin(feed: Feed): void {
    this.#attend();
    if (this.#role === 'following') this.#want();
    if (this.#role === 'alone' || this.#role === 'leading')
      feed.leave = this.#stream(feed.watched, (view) => this.#update(feed, view));
  }

  #update(feed: Feed, view: LiveView): void {
    // A stream that begins has nothing yet: what another one has shown stays.
    const isNothing = view.board === null && view.error === null && feed.view.board !== null;
    const goesOn = view.state === 'connecting' && feed.view.state === 'open';
    const state = goesOn ? 'open' : view.state === 'connecting' ? 'reconnecting' : view.state;
    feed.view = isNothing ? { ...feed.view, state } : view;
    // Closed permanently: a later watch() asks again.
    if (view.state === 'closed') this.#feeds.delete(keyOf(feed.watched));
    for (const listener of [...feed.listeners]) listener(feed.view);
    if (view.state === 'closed') this.#attend();
  }

  #stream(watched: Watched, listener: Listener): () => void {
    const stream = this.#streams.find((one) => one.hasRoomFor(watched)) ?? new SharedStream(this.src);
    if (!this.#streams.includes(stream)) this.#streams.push(stream);
    return stream.watch(watched, listener);
  }

  /** Comes and goes with what the page shows. */
  #attend(): void {
    const isHidden = document.visibilityState === 'hidden';
    if (isHidden || this.#feeds.size === 0) {
      if (this.#role !== 'absent') this.#leave();
      if (isHidden)
        for (const feed of [...this.#feeds.values()]) this.#update(feed, { ...feed.view, state: 'paused' });
    } else if (this.#role === 'absent') this.#come();
  }

  #come(): void {
    if (this.#channel === null) {
      this.#be('alone');
      return;
    }
    this.#be('following');
    this.#want();
    this.#timer = setTimeout(() => this.#be('alone'), ALONE_MS);
    const waiting = new AbortController();
    this.#resign = () => waiting.abort();
    navigator.locks
      .request(`live-leaderboard ${this.name}`, { signal: waiting.signal }, async () => {
        if (waiting.signal.aborted) return;
        this.#be('leading');
        await new Promise<void>((resolve) => {
          this.#resign = resolve;
        });
      })
      // Not granted before the page was hidden, or never, as in a frame without storage: then it is alone by now.
      .catch(() => {});
  }

  #leave(): void {
    for (const leave of this.#guests.values()) leave();
    this.#guests.clear();
    this.#post({ type: 'wants', from: this.#id, watched: [] });
    this.#resign();
    this.#be('absent');
  }

  #be(role: Role): void {
    clearTimeout(this.#timer);
    const had = this.#role === 'alone' || this.#role === 'leading';
    this.#role = role;
    const has = role === 'alone' || role === 'leading';
    for (const feed of [...this.#feeds.values()]) {
      if (had && !has) feed.leave();
      if (has && !had) feed.leave = this.#stream(feed.watched, (view) => this.#update(feed, view));
    }
    if (role === 'leading') this.#ask();
  }

  /** Pages that have crashed do not answer. */
  #ask(): void {
    const silent = new Set(this.#guests.keys());
    const before = new Map(this.#guests);
    this.#post({ type: 'ask' });
    this.#timer = setTimeout(() => {
      for (const id of silent) if (this.#guests.get(id) === before.get(id)) this.#receive(id, []);
      this.#timer = setTimeout(() => this.#ask(), ASK_EVERY_MS);
    }, ANSWER_MS);
  }

  #want(): void {
    const watched = [...this.#feeds.values()].map((feed) => feed.watched);
    this.#post({ type: 'wants', from: this.#id, watched });
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #onMessage(message: Message): void {
    if (message.type === 'ask' && (this.#role === 'following' || this.#role === 'alone')) {
      if (this.#role === 'alone') this.#be('following');
      this.#want();
    }
    if (message.type === 'wants' && this.#role === 'leading') this.#receive(message.from, message.watched);
    if (message.type !== 'view' || message.to !== this.#id || this.#role !== 'following') return;
    clearTimeout(this.#timer);
    const feed = this.#feeds.get(message.key);
    if (feed !== undefined) this.#update(feed, received(message.view, feed.view));
  }

  /** Another page wants these boards, and no others any more. */
  #receive(from: string, watched: readonly Watched[]): void {
    const before = this.#guests.get(from);
    const leaving = watched.map((one) =>
      this.#stream(one, ({ error, ...view }) => {
        const reason = error && { code: error.code, message: error.message, status: error.status };
        const sent = { ...view, error: reason, timeOrigin: performance.timeOrigin };
        this.#post({ type: 'view', to: from, key: keyOf(one), view: sent });
      }),
    );
    before?.();
    this.#guests.delete(from);
    if (watched.length > 0) this.#guests.set(from, () => leaving.forEach((leave) => void leave()));
  }
}

/** A view of another page. What has not changed stays the same object. */
function received({ error, timeOrigin, ...view }: SentView, before: LiveView): LiveView {
  const same = <T>(next: T, old: T): T => (JSON.stringify(next) === JSON.stringify(old) ? old : next);
  return {
    state: view.state,
    board: same(view.board, before.board),
    standing: same(view.standing, before.standing),
    season: same(view.season, before.season),
    ended: same(view.ended, before.ended),
    final: same(view.final, before.final),
    timeOffset: view.timeOffset === null ? null : view.timeOffset - timeOrigin + performance.timeOrigin,
    error: error && new ScoreboardError(error.code, error.message, { status: error.status }),
  };
}
