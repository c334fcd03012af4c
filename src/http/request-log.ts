import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { clientOf } from './network.js';

/** How a request ended. */
export interface EndedRequest {
  readonly method: string;
  /** The pattern of the route: what a client writes into a URL may be a secret, and can be anything. */
  readonly path: string;
  /** 499 if the client left before there was an answer. */
  readonly status: number;
  readonly seconds: number;
  /** Open as long as the client likes. */
  readonly isStream: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers with a stream that stays open. */
    isStream?: true;
  }
}

const UNKNOWN_ROUTE = 'unknown';
const CLIENT_LEFT = 499;

/** Logs every request, with the messages that operators' queries look for, and reports its end to listeners. */
export class RequestLog extends LogController {
  readonly #listeners: ((ended: EndedRequest) => void)[] = [];

  constructor() {
    super({ disableRequestLogging: true, requestIdLogLabel: 'requestId' });
  }

  onEnd(listener: (ended: EndedRequest) => void): void {
    this.#listeners.push(listener);
  }

  /** Fastify calls this for all that is HTTP, before any hook; also for what it refuses by itself. */
  override incomingRequest(request: FastifyRequest, reply: FastifyReply): void {
    const start = performance.now();
    const { method } = request;
    const { url: path = UNKNOWN_ROUTE, config } = request.routeOptions;
    request.log.info({ data: { method, path } }, 'Request received');
    // Comes for streams too, and when the client leaves first; Fastify's onResponse does not.
    reply.raw.once('close', () => {
      const seconds = (performance.now() - start) / 1000;
      const status = reply.raw.headersSent ? reply.raw.statusCode : CLIENT_LEFT;
      const isStream = config?.isStream === true && status === 200;
      this.#ended(request, reply, { method, path, status, seconds, isStream });
    });
  }

  /** An answer of ours does not fit its schema. */
  override serializerError(err: Error, request: FastifyRequest): void {
    request.log.error({ userId: request.user?.id, err }, 'Unhandled exception');
  }

  #ended(request: FastifyRequest, reply: FastifyReply, ended: EndedRequest): void {
    const { method, path, status, seconds } = ended;
    const userId = request.user?.id;
    if (status === 401 || status === 429) {
      const refused = { method, path, code: reply.problem?.code, address: clientOf(request) };
      request.log.warn({ userId, data: refused }, status === 401 ? 'Auth failed' : 'Rate limit hit');
    }
    const data = { method, path, status, durationMs: Math.round(seconds * 1e6) / 1e3 };
    request.log.info({ userId, data }, 'Request completed');
    for (const listener of this.#listeners) listener(ended);
  }
}
