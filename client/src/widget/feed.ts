import { type LiveView, subscribe } from '../live/subscription.js';
import { ScoreboardError } from '../problem.js';

/** The stream that an element shows. */
export interface Watched {
  readonly src: string;
  readonly board: string;
  readonly limit: number;
  /** Empty if there is none. */
  readonly user: string;
}

type Listener = (view: LiveView) => void;

interface Feed {
  readonly listeners: Set<Listener>;
  view: LiveView;
  stop: () => void;
}

/** Elements of a page that show the same board share a stream: a browser opens only six connections to a server. */
const feeds = new Map<string, Feed>();

/** Calls `listener` with the state, now and at each change, until the returned function is called. */
export function watch(watched: Watched, listener: Listener): () => void {
  const { src, board, limit, user } = watched;
  const key = JSON.stringify([src, board, limit, user]);
  const feed = feeds.get(key) ?? open(key, watched);
  feed.listeners.add(listener);
  listener(feed.view);
  return () => {
    feed.listeners.delete(listener);
    if (feed.listeners.size > 0 || feeds.get(key) !== feed) return;
    feeds.delete(key);
    feed.stop();
  };
}

function open(key: string, { src, board, limit, user }: Watched): Feed {
  const view: LiveView = { state: 'connecting', board: null, standing: null, error: null };
  const feed: Feed = { listeners: new Set(), view, stop: () => {} };
  feeds.set(key, feed);
  const update = (view: LiveView) => {
    feed.view = view;
    // Closed permanently: a later watch() opens a new stream.
    if (view.state === 'closed' && feeds.get(key) === feed) feeds.delete(key);
    for (const listener of [...feed.listeners]) listener(view);
  };
  try {
    feed.stop = subscribe(src, board, update, { limit, ...(user && { user }) });
  } catch {
    update({
      ...view,
      state: 'closed',
      error: new ScoreboardError('unreachable', 'No such address.'),
    });
  }
  return feed;
}
