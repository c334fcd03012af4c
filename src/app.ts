import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyHttpOptions, type FastifyInstance, LogController } from 'fastify';
import actionToken from '../plugins/action-token.js';
import auth from '../plugins/auth.js';
import catalog from '../plugins/catalog.js';
import changeFeed from '../plugins/change-feed.js';
import db from '../plugins/db.js';
import draining from '../plugins/draining.js';
import jobs from '../plugins/jobs.js';
import leaderboard from '../plugins/leaderboard.js';
import openapi from '../plugins/openapi.js';
import problemDetails, { asProblem, sendProblem } from '../plugins/problem-details.js';
import rateLimit from '../plugins/rate-limit.js';
import redis from '../plugins/redis.js';
import requestId from '../plugins/request-id.js';
import scoreLedger from '../plugins/score-ledger.js';
import sseBroadcaster from '../plugins/sse-broadcaster.js';
import validation from '../plugins/validation.js';
import actionRoutes from '../routes/actions.js';
import adminRoutes from '../routes/admin.js';
import authRoutes from '../routes/auth.js';
import leaderboardRoutes from '../routes/leaderboards.js';
import scoreRoutes from '../routes/scores.js';
import serviceRoutes from '../routes/service.js';
import streamRoutes from '../routes/stream.js';
import userRoutes from '../routes/users.js';
import type { AppConfig } from './config.js';
import { Problem, problemDocument } from './errors.js';
import { loggerOptions } from './logging.js';

/** The service, not yet listening. */
export async function buildApp(config: AppConfig) {
  const app = fastify(serverOptions(config)).withTypeProvider<TypeBoxTypeProvider>();
  try {
    await register(app, config);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Each line needs only those above it; closing runs backwards. */
async function register(app: FastifyInstance, config: AppConfig): Promise<void> {
  await app.register(problemDetails);
  await app.register(requestId);
  await app.register(validation);
  await app.register(draining);
  await app.register(redis, { config });
  await app.register(rateLimit, { config });
  await app.register(openapi);

  await app.register(db, { config });
  await app.register(changeFeed, { config });
  await app.register(auth, { config });
  await app.register(actionToken, { config });
  await app.register(catalog, { config });
  await app.register(leaderboard, { config });
  await app.register(scoreLedger);
  await app.register(sseBroadcaster, { config });
  await app.register(jobs);

  await app.register(authRoutes);
  await app.register(userRoutes);
  await app.register(actionRoutes);
  await app.register(scoreRoutes);
  await app.register(leaderboardRoutes);
  await app.register(streamRoutes);
  await app.register(adminRoutes);
  await app.register(serviceRoutes);
}

const MAX_BODY_BYTES = 16_384;
/** A client has this long to send a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

function serverOptions(config: AppConfig): FastifyHttpOptions<Server> {
  return {
    logger: loggerOptions(config),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
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
    frameworkErrors: (error, request, reply) => sendProblem(asProblem(error), request, reply),
    clientErrorHandler: refuseGarbage,
  };
}

/** Answers what is not HTTP, so that no request exists that a plugin could answer. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
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
}

const GARBAGE: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'The request came too slowly.',
  HPE_HEADER_OVERFLOW: 'The URL and the headers are too long.',
};
