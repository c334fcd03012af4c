import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Http, httpOf } from '@scoreboard/client';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';
import { SmokeFailure } from './smoke-failure.js';

const Problem = Type.Object({ code: Type.String(), requestId: Type.String() });
const PAUSE_MS = 100;

interface CallOptions {
  readonly accessToken?: string | undefined;
  /** Expected statuses in addition to those of a success. */
  readonly accept?: readonly number[];
}

interface FetchOptions extends Pick<CallOptions, 'accept'> {
  readonly init?: RequestInit;
  /** Expected media type: another server, such as one for web pages, may also answer 200. */
  readonly type?: string;
}

/** The service under test. An unexpected response becomes a SmokeFailure that names the request and the response. */
export class Target {
  readonly url: string;
  readonly #signal: AbortSignal;

  /** @param signal aborts all requests, streams and waits */
  constructor(url: string, signal: AbortSignal) {
    this.url = url.replace(/\/+$/, '');
    this.#signal = signal;
  }

  /** Typed calls of the API. */
  http({ accessToken, accept = [] }: CallOptions = {}): Http {
    const send = (url: string, init: RequestInit) =>
      this.#fetch(url.slice(this.url.length), { init, accept, type: 'application/json' });
    return httpOf(this.url, { accessToken, fetch: send });
  }

  /** The body of a successful response. */
  async ask<T>(call: (http: Http) => Answer<T>, accessToken?: string): Promise<T> {
    const { data, response } = await call(this.http({ accessToken }));
    if (data === undefined) throw new SmokeFailure(`${response.url} answered ${response.status}`);
    return data;
  }

  async text(path: string): Promise<string> {
    return (await this.#fetch(path)).text();
  }

  /** The events of a live stream. The SDK's subscribe() would reconnect and so hide a broken stream. */
  async events(path: string): Promise<AsyncIterator<EventSourceMessage, unknown>> {
    const { body } = await this.#fetch(path, { type: 'text/event-stream' });
    if (body === null) throw new SmokeFailure(`GET ${path} answered without a body`);
    return body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).values();
  }

  /** Polls until there is a result: another instance may show a score a moment later. */
  async until<T>(poll: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await poll();
      if (found !== undefined) return found;
      await this.wait(PAUSE_MS);
    }
  }

  wait(milliseconds: number): Promise<void> {
    return sleep(milliseconds, undefined, { signal: this.#signal });
  }

  async #fetch(path: string, { init = {}, accept = [], type }: FetchOptions = {}): Promise<Response> {
    const what = `${init.method ?? 'GET'} ${path}`;
    const response = await this.#send(path, init);
    const { status, ok, headers } = response;
    if (accept.includes(status)) return response;
    if (!ok) throw new SmokeFailure(`${what} answered ${status}${await reason(response)}`);
    const isExpected = type === undefined || status === 204 || headers.get('content-type')?.startsWith(type);
    if (isExpected) return response;
    throw new SmokeFailure(`${what} did not answer like scoreboard-api: ${excerpt(await response.text())}`);
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.url + path, { ...init, redirect: 'manual', signal: this.#signal });
    } catch (cause) {
      this.#signal.throwIfAborted();
      throw new SmokeFailure(`nothing answers at ${this.url} (${networkFault(cause)})`, { cause });
    }
  }
}

async function reason(response: Response): Promise<string> {
  const location = response.headers.get('location');
  if (location !== null) return ` and points to ${location}: give that address instead`;
  const text = await response.text();
  const body = parsed(text);
  return Value.Check(Problem, body) ? ` ${body.code} (request ${body.requestId})` : `: ${excerpt(text)}`;
}

function networkFault(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return /CERT|VERIFY|ISSUER/.test(code)
    ? `${code}: NODE_EXTRA_CA_CERTS can name a certificate to trust`
    : code;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const excerpt = (text: string): string => JSON.stringify(text.slice(0, 80));
