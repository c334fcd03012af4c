/** A request that the page made, and what came of it. */
export interface Exchange {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Undefined while it is under way. */
  outcome?: Outcome;
}

export interface Outcome {
  /** 0: there was no answer. */
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
}

/** A `fetch` that tells of each request, twice: when it leaves, and when its answer is there. */
export function watchedFetch(tell: (exchange: Exchange) => void, send: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { method, url } = request;
    const body = (await request.clone().text()) || undefined;
    const exchange: Exchange = { method, url, headers: Object.fromEntries(request.headers), body };
    tell(exchange);
    const start = performance.now();
    const end = (status: number, text: string) => {
      exchange.outcome = { status, body: text, tookMs: performance.now() - start };
      tell(exchange);
    };
    try {
      const response = await send(request);
      // A stream has no end to wait for, and nobody here keeps a caller waiting for the rest of an answer.
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      if (isStream) end(response.status, '');
      else {
        const text = response.clone().text();
        text.then(
          (body) => end(response.status, body),
          () => end(response.status, ''),
        );
      }
      return response;
    } catch (error) {
      end(0, '');
      throw error;
    }
  };
}

/** The same for live streams. A break that the browser mends by itself is told, and no new request. */
export function watchedEventSource(
  tell: (exchange: Exchange) => void,
  Base: typeof EventSource = EventSource,
): typeof EventSource {
  return class extends Base {
    constructor(url: string | URL, init?: EventSourceInit) {
      super(url, init);
      const headers = { accept: 'text/event-stream' };
      const exchange: Exchange = { method: 'GET', url: this.url, headers, body: undefined };
      tell(exchange);
      const start = performance.now();
      const now = (status: number) => () => {
        exchange.outcome = { status, body: '', tookMs: performance.now() - start };
        tell(exchange);
      };
      this.addEventListener('open', now(200));
      this.addEventListener('error', now(0));
    }
  };
}

/** The same request for a shell. */
export function curlOf({ method, url, headers, body }: Exchange): string {
  const isStream = headers['accept'] === 'text/event-stream';
  const parts = [
    'curl',
    ...(isStream ? ['-N'] : []),
    ...(method === 'GET' ? [] : ['-X', method]),
    quoted(url),
  ];
  for (const [name, value] of Object.entries(headers)) {
    if (SENT_BY_HAND.has(name)) parts.push('\\\n ', '-H', quoted(`${name}: ${value}`));
  }
  if (body !== undefined) parts.push('\\\n ', '--data-raw', quoted(body));
  return parts.join(' ');
}

/** What a shell's user would send; the rest is the browser's own. */
const SENT_BY_HAND = new Set(['accept', 'authorization', 'content-type']);

/** Sending it once more would not repeat it, but end the session: a refresh token is good for one use. */
export const mayRepeat = ({ url }: Exchange): boolean => !new URL(url).pathname.endsWith('/auth/refresh');

/** For the screen: a token is known by its ends. */
export function shortened(text: string): string {
  return text.replaceAll(/[\w.-]{48,}/g, (token) => `${token.slice(0, 8)}…${token.slice(-4)}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
