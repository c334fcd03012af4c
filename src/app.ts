import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import adminPort from '../plugins/admin-port.js';
import administrators from '../plugins/administrators.js';
import auth from '../plugins/auth.js';
import browsers from '../plugins/browsers.js';
import catalog from '../plugins/catalog.js';
import changeFeed from '../plugins/change-feed.js';
import cursors from '../plugins/cursors.js';
import databaseHealth from '../plugins/database-health.js';
import db from '../plugins/db.js';
import draining from '../plugins/draining.js';
import exports from '../plugins/exports.js';
import faults from '../plugins/faults.js';
import history from '../plugins/history.js';
import hostHeader from '../plugins/host-header.js';
import imports from '../plugins/imports.js';
import jobs from '../plugins/jobs.js';
import leaderboard from '../plugins/leaderboard.js';
import metrics from '../plugins/metrics.js';
import migrating from '../plugins/migrating.js';
import moderation from '../plugins/moderation.js';
import openapi from '../plugins/openapi.js';
import overview from '../plugins/overview.js';
import problemDetails from '../plugins/problem-details.js';
import rateLimit from '../plugins/rate-limit.js';
import redis from '../plugins/redis.js';
import requestId from '../plugins/request-id.js';
import scopes from '../plugins/scopes.js';
import scoreLedger from '../plugins/score-ledger.js';
import scoring from '../plugins/scoring.js';
import seasonTurning from '../plugins/season-turning.js';
import sharedState from '../plugins/shared-state.js';
import site from '../plugins/site.js';
import sseBroadcaster from '../plugins/sse-broadcaster.js';
import tracing from '../plugins/tracing.js';
import unrouted from '../plugins/unrouted.js';
import validation from '../plugins/validation.js';
import webhooks from '../plugins/webhooks.js';
import actionTokenRoutes from '../routes/action-tokens.js';
import actionRoutes from '../routes/actions.js';
import adminActionRoutes from '../routes/admin/actions.js';
import adminAuditRoutes from '../routes/admin/audit.js';
import adminEntryRoutes from '../routes/admin/entries.js';
import adminEventRoutes from '../routes/admin/events.js';
import adminExportRoutes from '../routes/admin/exports.js';
import adminImportRoutes from '../routes/admin/imports.js';
import adminLeaderboardRoutes from '../routes/admin/leaderboards.js';
import adminOverviewRoutes from '../routes/admin/overview.js';
import adminSeasonRoutes from '../routes/admin/seasons.js';
import adminServiceAccountRoutes from '../routes/admin/service-accounts.js';
import adminSessionRoutes from '../routes/admin/session.js';
import adminUsageRoutes from '../routes/admin/usage.js';
import adminUserRoutes from '../routes/admin/users.js';
import adminWebhookRoutes from '../routes/admin/webhooks.js';
import authRoutes from '../routes/auth.js';
import clientRoutes from '../routes/client.js';
import consoleRoutes from '../routes/console.js';
import docsRoutes from '../routes/docs.js';
import gameRoutes from '../routes/game.js';
import healthRoutes from '../routes/health.js';
import entryRoutes from '../routes/leaderboards/entries.js';
import positionRoutes from '../routes/leaderboards/positions.js';
import seasonRoutes from '../routes/leaderboards/seasons.js';
import boardStreamRoutes from '../routes/leaderboards/stream.js';
import whyRoutes from '../routes/leaderboards/why.js';
import leaderboardRoutes from '../routes/leaderboards.js';
import metricsRoutes from '../routes/metrics.js';
import openapiRoutes from '../routes/openapi.js';
import scoreBatchRoutes from '../routes/scores/batch.js';
import scoreRoutes from '../routes/scores.js';
import streamRoutes from '../routes/stream.js';
import userBatchRoutes from '../routes/users/batch.js';
import userEntryRoutes from '../routes/users/entries.js';
import userExportRoutes from '../routes/users/export.js';
import finalPlaceRoutes from '../routes/users/seasons.js';
import userRoutes from '../routes/users.js';
import widgetRoutes from '../routes/widget.js';
import type { AppConfig } from './config.js';
import { adjustServer } from './http/node-server.js';
import { RequestLog } from './http/request-log.js';
import { serverOptions } from './http/server-options.js';
import { createLogger } from './observability/logging.js';
import { countedFor, ownState, type SharedState } from './workers/shared-state.js';

/**
 * The service, not yet listening.
 * @param state what it has in common with other processes of its instance; by default it is all of it
 */
export const buildApp = (
  config: AppConfig,
  logger: FastifyBaseLogger = createLogger(config),
  state: SharedState = ownState(countedFor(config)),
) => build(config, logger, (app, requestLog) => register(app, config, requestLog, state));

/** What answers in place of the service while its database is being migrated, not yet listening. */
export const buildMigratingApp = (config: AppConfig, logger: FastifyBaseLogger) =>
  build(config, logger, (app, requestLog) => registerMigrating(app, config, requestLog));

async function build(
  config: AppConfig,
  logger: FastifyBaseLogger,
  plugins: (app: FastifyInstance, requestLog: RequestLog) => Promise<void>,
) {
  const requestLog = new RequestLog();
  const app = fastify(serverOptions(config, logger, requestLog)).withTypeProvider<TypeBoxTypeProvider>();
  adjustServer(app.server, config.SSE_MAX_CONNECTIONS);
  try {
    await plugins(app, requestLog);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Each line needs only those above it; closing runs backwards. */
async function register(
  app: FastifyInstance,
  config: AppConfig,
  requestLog: RequestLog,
  state: SharedState,
): Promise<void> {
  await app.register(sharedState, { state });
  await app.register(metrics, { requestLog });
  await app.register(faults);
  await app.register(tracing, { config });
  await app.register(problemDetails);
  await app.register(browsers, { config });
  await app.register(requestId);
  await app.register(hostHeader);
  await app.register(validation);
  await app.register(draining);
  await app.register(redis, { config });
  await app.register(rateLimit, { config });
  await app.register(adminPort, { config });
  await app.register(unrouted);
  await app.register(cursors, { config });
  await app.register(openapi);
  await app.register(site);

  await app.register(db, { config });
  await app.register(changeFeed, { config });
  await app.register(databaseHealth);
  await app.register(auth, { config });
  await app.register(administrators, { config });
  await app.register(scopes);
  await app.register(catalog, { config });
  await app.register(leaderboard, { config });
  await app.register(seasonTurning);
  await app.register(scoreLedger);
  await app.register(history, { config });
  await app.register(scoring, { config });
  await app.register(moderation);
  await app.register(sseBroadcaster, { config });
  await app.register(overview, { config });
  await app.register(webhooks, { config });
  await app.register(imports);
  await app.register(exports);
  await app.register(jobs, { config });

  await app.register(authRoutes);
  await app.register(userRoutes);
  await app.register(userBatchRoutes);
  await app.register(userEntryRoutes);
  await app.register(finalPlaceRoutes);
  await app.register(userExportRoutes);
  await app.register(actionRoutes);
  await app.register(actionTokenRoutes);
  await app.register(scoreRoutes);
  await app.register(scoreBatchRoutes);
  await app.register(leaderboardRoutes);
  await app.register(entryRoutes);
  await app.register(positionRoutes);
  await app.register(whyRoutes);
  await app.register(seasonRoutes);
  await app.register(boardStreamRoutes);
  await app.register(streamRoutes);
  await app.register(administration, { prefix: '/v1/admin' });
  await app.register(healthRoutes);
  await app.register(metricsRoutes);
  await app.register(openapiRoutes);
  await app.register(docsRoutes);
  await app.register(clientRoutes);
  await app.register(widgetRoutes);
  await app.register(gameRoutes);
  if (config.ADMIN_CONSOLE === 'on') await app.register(consoleRoutes);
}

/** The parts that need no database. */
async function registerMigrating(
  app: FastifyInstance,
  config: AppConfig,
  requestLog: RequestLog,
): Promise<void> {
  await app.register(sharedState, { state: ownState(countedFor(config)) });
  await app.register(metrics, { requestLog });
  await app.register(faults);
  await app.register(problemDetails);
  await app.register(browsers, { config });
  await app.register(requestId);
  await app.register(hostHeader);
  await app.register(validation);
  await app.register(redis, { config });
  await app.register(migrating, { config });
  await app.register(healthRoutes);
}

async function administration(app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', app.onlyAtAdminPort);
  await app.register(adminOverviewRoutes);
  await app.register(adminSessionRoutes);
  await app.register(adminServiceAccountRoutes);
  await app.register(adminLeaderboardRoutes);
  await app.register(adminSeasonRoutes);
  await app.register(adminActionRoutes);
  await app.register(adminEventRoutes);
  await app.register(adminEntryRoutes);
  await app.register(adminUserRoutes);
  await app.register(adminUsageRoutes);
  await app.register(adminImportRoutes);
  await app.register(adminExportRoutes);
  await app.register(adminAuditRoutes);
  await app.register(adminWebhookRoutes);
}
