import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Test } from 'tap';

/**
 * Faults of a request:
 * - *cut before*: the connection breaks before the service receives the request
 * - *cut after*: the service responds, and the connection breaks before the response arrives
 * - *cut within*: half of the response arrives
 * - *busy*, *draining*: a proxy answers 429 or 503 with `Retry-After: 1`
 * - *foreign*: a proxy answers 401, as one does that wants a log-in of its own
 * - *filtered*: the service responds, and a proxy sends a 403 page in place of the response
 */
export const FAULTS = [
  'cut before',
  'cut after',
  'cut within',
  'busy',
  'draining',
  'foreign',
  'filtered',
] as const;
/** As the service sends them, so that pages of other origins may read the wait. */
const REFUSED = {
  'retry-after': '1',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after',
};
const PAGE = { 'content-type': 'text/html', 'access-control-allow-origin': '*' };
export type Fault = (typeof FAULTS)[number];

/** A proxy in front of the service that loses requests and responses. */
export class FaultyProxy {
  readonly url: string;
  /** Number of requests for each path. */
  readonly requests: Record<string, number> = {};
  /** Faults for each path; each is used for one request. */
  readonly faults: Record<string, Fault[]> = {};
  /** What happens elsewhere when a request for a path arrives. */
  readonly meanwhile: Record<string, () => void> = {};
  /** Whether all requests fail. */
  isDown = false;

  readonly #open = new Set<ServerResponse>();

  private constructor(url: string) {
    this.url = url;
  }

  static async open(t: Test, target: string): Promise<FaultyProxy> {
    const server = createServer((incoming, response) => proxy.#pass(target, incoming, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
    const proxy = new FaultyProxy(`http://127.0.0.1:${address.port}`);
    return proxy;
  }

  /** Breaks all open connections. */
  breakConnections(): void {
    for (const response of this.#open) response.destroy();
  }

  #pass(target: string, incoming: IncomingMessage, response: ServerResponse): void {
    const { url = '/', method, headers } = incoming;
    const path = url.split('?')[0] ?? '';
    const isPreflight = method === 'OPTIONS';
    if (!isPreflight) {
      this.requests[path] = (this.requests[path] ?? 0) + 1;
      this.meanwhile[path]?.();
    }
    this.#open.add(response);
    response.on('close', () => this.#open.delete(response));
    const fault = this.isDown ? 'cut before' : isPreflight ? undefined : this.faults[path]?.shift();
    if (fault === 'cut before') return void response.destroy();
    if (fault === 'busy' || fault === 'draining') {
      incoming.resume();
      return void response.writeHead(fault === 'busy' ? 429 : 503, REFUSED).end();
    }
    if (fault === 'foreign') {
      incoming.resume();
      return void response.writeHead(401, PAGE).end('<h1>Log in</h1>');
    }
    const { host: _, ...kept } = headers;
    const outgoing = request(target + url, { method, headers: kept }, (answer) => {
      if (fault === 'cut after') {
        answer.resume();
        return void answer.on('end', () => response.destroy());
      }
      if (fault === 'filtered') {
        answer.resume();
        return void answer.on('end', () => response.writeHead(403, PAGE).end('<h1>Blocked</h1>'));
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === 'cut within') return void answer.once('data', (chunk: Buffer) => half(response, chunk));
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }
}

function half(response: ServerResponse, chunk: Buffer): void {
  response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy());
}
