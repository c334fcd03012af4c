import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Test } from 'tap';

/**
 * What happens to a request on its way:
 * - *cut before*: the connection breaks before the service hears of it
 * - *cut after*: the service answers, and the connection breaks before the answer comes back
 * - *cut within*: half of the answer comes back
 * - *busy*, *draining*: somebody else answers with 429 or 503, to be asked again after a second
 */
export const FAULTS = ['cut before', 'cut after', 'cut within', 'busy', 'draining'] as const;
export type Fault = (typeof FAULTS)[number];

/** A way to a service on which requests and answers can get lost. */
export class FaultyWay {
  readonly url: string;
  /** How many requests have come for each path. */
  readonly requests: Record<string, number> = {};
  /** Faults to come for each path: each befalls one request. */
  readonly faults: Record<string, Fault[]> = {};
  /** Whether nothing gets through. */
  isDown = false;

  readonly #underWay = new Set<ServerResponse>();

  private constructor(url: string) {
    this.url = url;
  }

  static async to(t: Test, target: string): Promise<FaultyWay> {
    const server = createServer((incoming, response) => way.#pass(target, incoming, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
    const way = new FaultyWay(`http://127.0.0.1:${address.port}`);
    return way;
  }

  /** Breaks what is under way. */
  breakAll(): void {
    for (const response of this.#underWay) response.destroy();
  }

  #pass(target: string, incoming: IncomingMessage, response: ServerResponse): void {
    const { url = '/', method, headers } = incoming;
    const path = url.split('?')[0] ?? '';
    const isPreflight = method === 'OPTIONS';
    if (!isPreflight) this.requests[path] = (this.requests[path] ?? 0) + 1;
    this.#underWay.add(response);
    response.on('close', () => this.#underWay.delete(response));
    const fault = this.isDown ? 'cut before' : isPreflight ? undefined : this.faults[path]?.shift();
    if (fault === 'cut before') return void response.destroy();
    if (fault === 'busy' || fault === 'draining') {
      incoming.resume();
      return void response.writeHead(fault === 'busy' ? 429 : 503, { 'retry-after': '1' }).end();
    }
    const { host: _, ...kept } = headers;
    const outgoing = request(target + url, { method, headers: kept }, (answer) => {
      if (fault === 'cut after') {
        answer.resume();
        return void answer.on('end', () => response.destroy());
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
