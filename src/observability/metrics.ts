import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Fine where answers should be, and with a bound at each limit that an alert is set to (1 s, 2 s). */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Everything that the service measures of itself, beside what prom-client knows of the process. The first seven are those
 * of the deployment specification, to the letter. No label takes a value that a client could make up.
 */
export function createMetrics(registry: Registry) {
  const registers = [registry];
  const metrics = {
    httpRequests: new Counter({
      name: 'http_requests_total',
      help: 'Answered requests; path is the pattern of the route, or "unknown".',
      labelNames: ['method', 'path', 'status'],
      registers,
    }),
    httpDuration: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time from a request to the end of its response, without live streams.',
      labelNames: ['method', 'path'],
      buckets: SECONDS,
      registers,
    }),
    streamsActive: new Gauge({
      name: 'sse_connections_active',
      help: 'Open live streams.',
      registers,
    }),
    scoreUpdates: new Counter({
      name: 'score_updates_total',
      help: 'Posted scores: accepted, held for review, refused because of the caller, or failed because of the service.',
      labelNames: ['status'],
      registers,
    }),
    actionTokenValidations: new Counter({
      name: 'action_token_validations_total',
      help: 'Verified action tokens by result.',
      labelNames: ['result'],
      registers,
    }),
    rateLimitHits: new Counter({
      name: 'rate_limit_hits_total',
      help: 'Requests rejected by a rate limit; endpoint is the pattern of the route.',
      labelNames: ['endpoint'],
      registers,
    }),
    drift: new Gauge({
      name: 'redis_leaderboard_sync_drift',
      help: 'Entries in Redis that differed from PostgreSQL when this instance last compared the boards.',
      aggregator: 'max',
      registers,
    }),

    streamsCapacity: new Gauge({
      name: 'sse_connections_capacity',
      help: 'Maximum number of open live streams.',
      aggregator: 'max',
      registers,
    }),
    streamsClosed: new Counter({
      name: 'sse_connections_closed_total',
      help: 'Ended live streams: by the client, stalled, at a shutdown, by a ban of the user whom they follow, or by an error.',
      labelNames: ['reason'],
      registers,
    }),
    streamsRefused: new Counter({
      name: 'sse_connections_refused_total',
      help: 'Live streams rejected because too many were open, in total or from one address.',
      registers,
    }),
    batchSize: new Histogram({
      name: 'score_ledger_batch_size',
      help: 'Scores written by one commit.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    flushDuration: new Histogram({
      name: 'score_ledger_flush_duration_seconds',
      help: 'Time to write one batch of scores, including retries.',
      buckets: SECONDS,
      registers,
    }),
    queueDepth: new Gauge({
      name: 'score_ledger_queue_depth',
      help: 'Scores that wait for a batch.',
      registers,
    }),
    queueCapacity: new Gauge({
      name: 'score_ledger_queue_capacity',
      help: 'Number of waiting scores above which more are rejected.',
      registers,
    }),
    projectionLag: new Histogram({
      name: 'leaderboard_projection_lag_seconds',
      help: 'Time from the commit of a batch until the projections of this instance include it.',
      buckets: [0.0001, 0.00025, 0.0005, ...SECONDS],
      registers,
    }),
    projections: new Gauge({
      name: 'leaderboard_projections',
      help: 'Boards with an open projection: ready, or loading while reads go to PostgreSQL.',
      labelNames: ['state'],
      registers,
    }),
    projectionLoading: new Gauge({
      name: 'leaderboard_projection_loading_seconds',
      help: 'Longest time that an open board has not been ready; 0 if all are ready.',
      aggregator: 'max',
      registers,
    }),
    projectionBytes: new Gauge({
      name: 'leaderboard_projection_bytes',
      help: 'Memory used by the open projections of this process.',
      registers,
    }),
    projectionCapacity: new Gauge({
      name: 'leaderboard_projection_capacity_bytes',
      help: 'Memory limit for the open projections of this process, above which the least recently used are closed.',
      registers,
    }),
    projectionsOpened: new Counter({
      name: 'leaderboard_projections_opened_total',
      help: 'Cold boards whose projection was opened.',
      registers,
    }),
    poolConnections: new Gauge({
      name: 'database_pool_connections',
      help: 'Connections to PostgreSQL.',
      labelNames: ['pool', 'state'],
      registers,
    }),
    poolCapacity: new Gauge({
      name: 'database_pool_capacity',
      help: 'Maximum number of connections to PostgreSQL.',
      labelNames: ['pool'],
      registers,
    }),
    poolWaiting: new Gauge({
      name: 'database_pool_waiting',
      help: 'Queries that wait for a connection to PostgreSQL.',
      labelNames: ['pool'],
      registers,
    }),
    replicaLag: new Gauge({
      name: 'database_replica_lag_seconds',
      help: 'How far the read replica may be behind, as measured: it has everything that was committed before. 0 without a replica.',
      aggregator: 'max',
      registers,
    }),
    jobs: new Gauge({
      name: 'background_jobs',
      help: 'Background jobs of all instances: waiting, running, retrying after an error, or failed for good.',
      // Every worker counts all jobs of the database.
      aggregator: 'max',
      labelNames: ['name', 'state'],
      registers,
    }),
    webhookTries: new Counter({
      name: 'webhook_tries_total',
      help: 'Tries to deliver an event to a webhook: delivered, failed, or gone where the receiver does not exist any more.',
      labelNames: ['result'],
      registers,
    }),
    webhookDuration: new Histogram({
      name: 'webhook_try_duration_seconds',
      help: 'Time of a try to deliver an event to a webhook.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15],
      registers,
    }),
    webhookDeliveries: new Gauge({
      name: 'webhook_deliveries',
      help: 'Events for webhooks of all instances: waiting for a try, or dead letters, for which none is left.',
      aggregator: 'max',
      labelNames: ['state'],
      registers,
    }),
    seasonFaults: new Gauge({
      name: 'season_faults',
      help: 'Leaderboards without a season to come because their schedule cannot be computed (unplanned), and those whose season should have begun or ended a minute ago (overdue).',
      // Every worker counts those of the database.
      aggregator: 'max',
      labelNames: ['fault'],
      registers,
    }),
    defaultPartition: new Gauge({
      name: 'database_default_partition_bytes',
      help: 'Size of what has no partition of its own. Above 64 MB it keeps others from being added.',
      aggregator: 'max',
      labelNames: ['table'],
      registers,
    }),
    healthCheck: new Gauge({
      name: 'health_check_status',
      help: 'Result of a check of /health: 1 if it passed, 0 if it failed.',
      aggregator: 'min',
      labelNames: ['check'],
      registers,
    }),
  };
  // A series that begins with its first event has no rate for it: these are known, so they begin at 0.
  for (const status of ['accepted', 'held', 'refused', 'failed']) metrics.scoreUpdates.inc({ status }, 0);
  for (const result of ['valid', 'invalid', 'expired', 'replay'])
    metrics.actionTokenValidations.inc({ result }, 0);
  for (const reason of ['client', 'stalled', 'shutdown', 'banned', 'error'])
    metrics.streamsClosed.inc({ reason }, 0);
  for (const result of ['delivered', 'failed', 'gone']) metrics.webhookTries.inc({ result }, 0);
  return metrics;
}
