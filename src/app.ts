import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyBaseLogger, type FastifyHttpOptions, type FastifyInstance } from 'fastify';
import auth from '../plugins/auth.js';
import browsers from '../plugins/browsers.js';
import catalog from '../plugins/catalog.js';
import changeFeed from '../plugins/change-feed.js';
import db from '../plugins/db.js';
import draining from '../plugins/draining.js';
import faults from '../plugins/faults.js';
import jobs from '../plugins/jobs.js';
import leaderboard from '../plugins/leaderboard.js';
import metrics from '../plugins/metrics.js';
import moderation from '../plugins/moderation.js';
import openapi from '../plugins/openapi.js';
import pipelining from '../plugins/pipelining.js';
import problemDetails, { asProblem, sendProblem } from '../plugins/problem-details.js';
import rateLimit from '../plugins/rate-limit.js';
import redis from '../plugins/redis.js';
import requestId from '../plugins/request-id.js';
import scoreLedger from '../plugins/score-ledger.js';
import scoring from '../plugins/scoring.js';
import site from '../plugins/site.js';
import sseBroadcaster from '../plugins/sse-broadcaster.js';
import tracing from '../plugins/tracing.js';
import validation from '../plugins/validation.js';
import actionTokenRoutes from '../routes/action-tokens.js';
import actionRoutes from '../routes/actions.js';
import adminActionRoutes from '../routes/admin/actions.js';
import adminAuditRoutes from '../routes/admin/audit.js';
import adminEventRoutes from '../routes/admin/events.js';
import adminLeaderboardRoutes from '../routes/admin/leaderboards.js';
import adminUserRoutes from '../routes/admin/users.js';
import authRoutes from '../routes/auth.js';
import docsRoutes from '../routes/docs.js';
import gameRoutes from '../routes/game.js';
import healthRoutes from '../routes/health.js';
import entryRoutes from '../routes/leaderboards/entries.js';
import streamRoutes from '../routes/leaderboards/stream.js';
import leaderboardRoutes from '../routes/leaderboards.js';
import metricsRoutes from '../routes/metrics.js';
import openapiRoutes from '../routes/openapi.js';
import scoreRoutes from '../routes/scores.js';
import userRoutes from '../routes/users.js';
import widgetRoutes from '../routes/widget.js';
import { requireRole } from './access/caller.js';
import type { AppConfig } from './config.js';
import { Problem, problemDocument } from './errors.js';
import { RequestLog } from './http/request-log.js';
import { createLogger } from './observability/logging.js';

/** The service, not yet listening. */
export async function buildApp(config: AppConfig, logger: FastifyBaseLogger = createLogger(config)) {
  const requestLog = new RequestLog();
  const app = fastify(serverOptions(config, logger, requestLog)).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = 2 * config.SSE_MAX_CONNECTIONS + SPARE_CONNECTIONS;
  try {
    await register(app, config, requestLog);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Each line needs only those above it; closing runs backwards. */
async function register(app: FastifyInstance, config: AppConfig, requestLog: RequestLog): Promise<void> {
  await app.register(metrics, { requestLog });
  await app.register(faults);
  await app.register(pipelining);
  await app.register(tracing, { config });
  await app.register(problemDetails);
  await app.register(browsers, { config });
  await app.register(requestId);
  await app.register(validation);
  await app.register(draining);
  await app.register(redis, { config });
  await app.register(rateLimit, { config });
  await app.register(openapi);
  await app.register(site);

  await app.register(db, { config });
  await app.register(changeFeed, { config });
  await app.register(auth, { config });
  await app.register(catalog, { config });
  await app.register(leaderboard, { config });
  await app.register(scoreLedger);
  await app.register(scoring, { config });
  await app.register(moderation);
  await app.register(sseBroadcaster, { config });
  await app.register(jobs);

  await app.register(authRoutes);
  await app.register(userRoutes);
  await app.register(actionRoutes);
  await app.register(actionTokenRoutes);
  await app.register(scoreRoutes);
  await app.register(leaderboardRoutes);
  await app.register(entryRoutes);
  await app.register(streamRoutes);
  await app.register(administration, { prefix: '/v1/admin' });
  await app.register(healthRoutes);
  await app.register(metricsRoutes);
  await app.register(openapiRoutes);
  await app.register(docsRoutes);
  await app.register(widgetRoutes);
  await app.register(gameRoutes);
}

async function administration(app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', app.authenticate);
  app.addHook('onRequest', requireRole('admin'));
  await app.register(adminLeaderboardRoutes);
  await app.register(adminActionRoutes);
  await app.register(adminEventRoutes);
  await app.register(adminUserRoutes);
  await app.register(adminAuditRoutes);
}

const MAX_BODY_BYTES = 16_384;
/** Beside two for each stream: what is over that is closed at once, before it costs memory. */
const SPARE_CONNECTIONS = 1_000;
/** A client has this long to send a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/**
 * How long a connection may be idle between two requests, in milliseconds. A proxy must be the first to let go of one, or it
 * sends a request on a connection that is just being closed; the balancers of clouds keep theirs for an hour, so that
 * streams live. Where nobody stands in front, strangers do not get to hold connections for so long.
 */
const KEEP_ALIVE_MS = { behindProxy: 3_700_000, direct: 72_000 };
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

function serverOptions(
  config: AppConfig,
  logger: FastifyBaseLogger,
  requestLog: RequestLog,
): FastifyHttpOptions<Server> {
  return {
    loggerInstance: logger,
    logController: requestLog,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // For clients that do not read what they asked for. A stream that is alive is written to, or ends, long before.
    connectionTimeout: Math.min(
      config.SSE_PING_INTERVAL + config.SSE_STALL_TIMEOUT_MS + REQUEST_TIMEOUT_MS,
      2 ** 31 - 1,
    ),
    keepAliveTimeout: config.TRUST_PROXY.length > 0 ? KEEP_ALIVE_MS.behindProxy : KEEP_ALIVE_MS.direct,
    trustProxy: config.TRUST_PROXY,
    // Node would refuse a request without one by itself, without a request id; plugins/request-id.ts does instead.
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
    // Where there is no route, there were no hooks.
    frameworkErrors: (error, request, reply) =>
      sendProblem(asProblem(error), request, reply.headers(request.server.headersForBrowsers(request))),
    clientErrorHandler: refuseGarbage,
  };
}

const refused = new WeakSet<Socket>();

/** Answers what is not HTTP, so that no request exists that a plugin could answer. Comes again for whatever follows. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || refused.has(socket)) return;
  refused.add(socket);
  const problem = new Problem('validation-failed', GARBAGE[error.code ?? ''] ?? 'This is not HTTP/1.1.');
  const requestId = randomUUID();
  const body = JSON.stringify(problemDocument(problem, '/', requestId));
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  // Unless we close our side as well, a client that keeps its own open keeps the connection for ever.
  socket.destroySoon();
  // Nor does it keep it by not reading what it was answered.
  setTimeout(() => socket.destroy(), REQUEST_TIMEOUT_MS).unref();
}

const GARBAGE: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'The request came too slowly.',
  HPE_HEADER_OVERFLOW: 'The URL and the headers are too long.',
};
