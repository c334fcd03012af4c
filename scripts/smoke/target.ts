import { setTimeout as sleep } from 'node:timers/promises';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { eventsOf, type ServerSentEvent } from './events.js';
import { SmokeFailure } from './smoke-failure.js';

const Problem = Type.Object({ code: Type.String(), requestId: Type.String() });
const PAUSE_MS = 100;

interface Call {
  readonly json?: object;
  readonly form?: Record<string, string>;
  readonly accessToken?: string | undefined;
  /** The statuses that are as they should be; 200 and 201 unless said otherwise. */
  readonly expect?: readonly number[];
}

/** The service that is looked at. Whatever it does not answer as expected is a SmokeFailure. */
export class Target {
  readonly url: string;
  readonly #signal: AbortSignal;

  /** @param signal ends whatever is under way */
  constructor(url: string, signal: AbortSignal) {
    this.url = url.replace(/\/+$/, '');
    this.#signal = signal;
  }

  /** What was answered, read as the schema says. */
  async json<T extends TSchema>(
    schema: T,
    method: string,
    path: string,
    call: Call = {},
  ): Promise<Static<T>> {
    const text = await this.text(method, path, call);
    const body = parsed(text);
    if (Value.Check(schema, body)) return body;
    throw new SmokeFailure(`${method} ${path} did not answer like scoreboard-api: ${excerpt(text)}`);
  }

  async text(method: string, path: string, call: Call = {}): Promise<string> {
    const response = await this.#fetch(method, path, call);
    const text = await response.text();
    if ((call.expect ?? [200, 201]).includes(response.status)) return text;
    throw new SmokeFailure(`${method} ${path} answered ${response.status}${reason(response, text)}`);
  }

  /** An open live stream. */
  async events(path: string): Promise<AsyncGenerator<ServerSentEvent, void>> {
    const response = await this.#fetch('GET', path);
    if (response.status !== 200) {
      throw new SmokeFailure(
        `GET ${path} answered ${response.status}${reason(response, await response.text())}`,
      );
    }
    const type = response.headers.get('content-type') ?? 'nothing';
    if (!type.startsWith('text/event-stream') || response.body === null) {
      throw new SmokeFailure(`GET ${path} answered ${type}, not a stream`);
    }
    return eventsOf(response.body);
  }

  /** Asks again until there is something. Another instance may know of a score a moment later. */
  async until<T>(ask: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await ask();
      if (found !== undefined) return found;
      await this.wait(PAUSE_MS);
    }
  }

  wait(milliseconds: number): Promise<void> {
    return sleep(milliseconds, undefined, { signal: this.#signal });
  }

  async #fetch(method: string, path: string, { json, form, accessToken }: Call = {}): Promise<Response> {
    try {
      return await fetch(this.url + path, {
        method,
        redirect: 'manual',
        headers: {
          ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
          ...(json && { 'content-type': 'application/json' }),
        },
        body: json ? JSON.stringify(json) : form ? new URLSearchParams(form) : null,
        signal: this.#signal,
      });
    } catch (cause) {
      this.#signal.throwIfAborted();
      throw new SmokeFailure(`nothing answers at ${this.url} (${networkFault(cause)})`, { cause });
    }
  }
}

function reason({ headers }: Response, text: string): string {
  const location = headers.get('location');
  if (location !== null) return ` and points to ${location}: give that address instead`;
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
