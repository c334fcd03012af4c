/** A request of the page, and its outcome. */
export interface Exchange {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Undefined until there is a response. */
  outcome?: Outcome;
}

export interface Outcome {
  /** 0 if there was no response. */
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
}

/** A `fetch` that reports each request twice: when it is sent, and when it has ended. */
export function watchedFetch(report: (exchange: Exchange) => void, send: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { method, url } = request;
    const body = (await request.clone().text()) || undefined;
    const exchange: Exchange = { method, url, headers: Object.fromEntries(request.headers), body };
    report(exchange);
    const start = performance.now();
    const end = (status: number, text: string) => {
      exchange.outcome = { status, body: text, tookMs: performance.now() - start };
      report(exchange);
    };
    try {
      const response = await send(request);
      // A stream does not end, and the caller must not wait for the rest of the body.
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

/** The same for live streams. An automatic reconnect is reported as a new outcome, not as a new request. */
export function watchedEventSource(
  report: (exchange: Exchange) => void,
  Base: typeof EventSource = EventSource,
): typeof EventSource {
  return class extends Base {
    constructor(url: string | URL, init?: EventSourceInit) {
      super(url, init);
      const headers = { accept: 'text/event-stream' };
      const exchange: Exchange = { method: 'GET', url: this.url, headers, body: undefined };
      report(exchange);
      const start = performance.now();
      const now = (status: number) => () => {
        exchange.outcome = { status, body: '', tookMs: performance.now() - start };
        report(exchange);
      };
      this.addEventListener('open', now(200));
      this.addEventListener('error', now(0));
    }
  };
}

/** The request as a shell command. */
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

/** Headers for the shell command; the others are added by the browser. */
const SENT_BY_HAND = new Set(['accept', 'authorization', 'content-type']);

/** Whether the request can be repeated. A second use of a refresh token would end the session. */
export const mayRepeat = ({ url }: Exchange): boolean => !new URL(url).pathname.endsWith('/auth/refresh');

/** Shortens tokens for display to their first and last characters. */
export function shortened(text: string): string {
  return text.replaceAll(/[\w.-]{48,}/g, (token) => `${token.slice(0, 8)}…${token.slice(-4)}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
