import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { FastifyBaseLogger, FastifyHttpOptions } from 'fastify';
import type { AppConfig } from '../config.js';
import { refuseGarbage } from './garbage.js';
import { isTrusted } from './network.js';
import { asProblem, sendProblem } from './problems.js';
import { parseQuery } from './query.js';
import type { RequestLog } from './request-log.js';

const MAX_BODY_BYTES = 16_384;
/** How long a client may take to send a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** The longest delay of a timer in Node. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/**
 * How long a connection may be idle between two requests, in milliseconds. A proxy must be the first to close an idle
 * connection, or it sends a request on one that is just being closed; the load balancers of clouds keep theirs for an hour,
 * for the sake of streams. Without a proxy, strangers do not get to hold connections for that long.
 */
const KEEP_ALIVE_MS = { behindProxy: 3_700_000, direct: 72_000 };
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** How Fastify and Node treat connections and requests before any plugin sees them. */
export function serverOptions(
  config: AppConfig,
  logger: FastifyBaseLogger,
  requestLog: RequestLog,
): FastifyHttpOptions<Server> {
  return {
    loggerInstance: logger,
    logController: requestLog,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // For clients that do not read their answer. A stream that is alive is written to, or ends, long before.
    connectionTimeout: Math.min(
      config.SSE_PING_INTERVAL + config.SSE_STALL_TIMEOUT_MS + REQUEST_TIMEOUT_MS,
      MAX_TIMEOUT_MS,
    ),
    keepAliveTimeout: config.TRUST_PROXY.length > 0 ? KEEP_ALIVE_MS.behindProxy : KEEP_ALIVE_MS.direct,
    // Without proxies there is nothing to look up at each request.
    trustProxy: config.TRUST_PROXY.length > 0 && isTrusted(config.TRUST_PROXY),
    routerOptions: { querystringParser: parseQuery },
    // Node would refuse a request without a Host header by itself, without a request id; plugins/host-header.ts does instead.
    http: {
      requireHostHeader: false,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    requestIdHeader: false,
    // The draining plugin refuses with a problem document.
    return503OnClosing: false,
    // Fastify refuses such a request, a bad URL for example, before there is a route, and so without its hooks.
    frameworkErrors: (error, request, reply) =>
      sendProblem(asProblem(error), request, reply.headers(request.server.headersForBrowsers(request))),
    clientErrorHandler: refuseGarbage(REQUEST_TIMEOUT_MS),
  };
}
