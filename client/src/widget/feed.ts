import { type LiveView, subscribe } from '../live/subscription.js';
import { ScoreboardError } from '../problem.js';

/** What an element shows. */
export interface Watched {
  readonly src: string;
  readonly board: string;
  readonly limit: number;
  /** Empty for nobody. */
  readonly user: string;
}

type Listener = (view: LiveView) => void;

interface Feed {
  readonly listeners: Set<Listener>;
  view: LiveView;
  stop: () => void;
}

/** Elements of a page that show the same share a stream: a browser has only six connections for a server. */
const feeds = new Map<string, Feed>();

/** Tells `listener` what there is to show, now and at each change, until the returned function is called. */
export function watch(watched: Watched, listener: Listener): () => void {
  const { src, board, limit, user } = watched;
  const key = JSON.stringify([src, board, limit, user]);
  const feed = feeds.get(key) ?? open(key, watched);
  feed.listeners.add(listener);
  listener(feed.view);
  return () => {
    feed.listeners.delete(listener);
    // An element that is moved within its page leaves and comes back at once.
    queueMicrotask(() => {
      if (feed.listeners.size > 0 || feeds.get(key) !== feed) return;
      feeds.delete(key);
      feed.stop();
    });
  };
}

function open(key: string, { src, board, limit, user }: Watched): Feed {
  const view: LiveView = { state: 'connecting', board: null, standing: null, error: null };
  const feed: Feed = { listeners: new Set(), view, stop: () => {} };
  feeds.set(key, feed);
  const tell = (view: LiveView) => {
    feed.view = view;
    // Over for good: whoever asks for the same later gets a new try.
    if (view.state === 'closed' && feeds.get(key) === feed) feeds.delete(key);
    for (const listener of [...feed.listeners]) listener(view);
  };
  try {
    feed.stop = subscribe(src, board, tell, { limit, ...(user && { user }) });
  } catch {
    tell({
      ...view,
      state: 'closed',
      error: new ScoreboardError('unreachable', 'No such address.'),
    });
  }
  return feed;
}
