import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { eraseUser, purgeExternalKeys } from '../src/access/erasure.js';
import { purgeSessions } from '../src/access/sessions.js';
import { DROP_SEASONS, dropSeasons } from '../src/catalog/drop-seasons.js';
import { purgeScores } from '../src/catalog/purge-scores.js';
import type { AppConfig } from '../src/config.js';
import { countRows } from '../src/imports/count-rows.js';
import { giveUpImports } from '../src/imports/imports.js';
import { addStandingJob } from '../src/jobs/job.js';
import { PURGE, purge } from '../src/jobs/purge.js';
import { JOB_STATES, JobRunner, type JobRunnerOptions } from '../src/jobs/runner.js';
import { CLOSE_SEASONS, closeSeason, closeSeasons, forgetSeason } from '../src/ledger/closing.js';
import { PARTITIONS, partitions } from '../src/ledger/partitions-job.js';
import { purgeTokens } from '../src/ledger/purge-tokens.js';
import { endBan } from '../src/moderation/ended-bans.js';
import { massVoid } from '../src/moderation/mass-void.js';
import { unvoid } from '../src/moderation/unvoid.js';
import type { Queryable } from '../src/postgres/database.js';
import { isDatabaseError } from '../src/postgres/errors.js';
import { defaultPartitions } from '../src/postgres/partitions.js';
import { MOVE_BOUNDARIES, moveBoundaries } from '../src/seasons/moved-boundaries.js';
import { countDeliveries } from '../src/webhooks/deliver.js';

declare module 'fastify' {
  interface FastifyInstance {
    jobs: JobRunner;
  }
}

const JOBS_AT_A_TIME = 2;
/** Webhooks that are sent to at a time. No transaction is open meanwhile, so they have one connection in common. */
const DELIVERIES_AT_A_TIME = 4;
/** Nobody waits for a connection. A process that had no turn for some seconds would take its own rest for PostgreSQL's. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Work that goes on after its request. It has connections of its own, so that requests do not wait for it. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { removeBoards } = app;
    const purgeBoards = (client: Queryable, limit: number) => purgeScores(client, limit, removeBoards);
    const jobs = [
      purge([
        purgeTokens,
        purgeSessions,
        purgeExternalKeys,
        purgeBoards,
        giveUpImports,
        ...app.webhookPurges,
        ...app.administratorPurges,
      ]),
      partitions({
        retention: config.EVENTS_RETENTION,
        onKept: (month, why) => app.log.warn({ data: { month, why } }, 'Old events are kept'),
        onLarge: (table, bytes) =>
          app.log.warn({ data: { table, bytes } }, 'A default partition is too large: no others are made'),
      }),
      moveBoundaries(app.instance, (error, doing) => app.faults.either(error, doing)),
      closeSeasons(),
      closeSeason(app.instance),
      forgetSeason(removeBoards),
      dropSeasons,
      eraseUser,
      countRows(app.instance),
      massVoid({ leaderboards: app.leaderboards, writer: app.instance }),
      unvoid({ leaderboards: app.leaderboards, writer: app.instance }),
      endBan({ leaderboards: app.leaderboards, bans: app.bans, writer: app.instance }),
    ];
    const direct = {
      url: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
      viaPooler: false,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    };
    const pool = app.openPool('jobs', { ...direct, max: 1 + JOBS_AT_A_TIME });
    const runner = startRunner(app, {
      pool,
      atATime: JOBS_AT_A_TIME,
      jobs,
      addStanding: async () => {
        await addStandingJob(pool, PURGE, {});
        await addStandingJob(pool, PARTITIONS, {});
        await addStandingJob(pool, MOVE_BOUNDARIES, { after: '' });
        await addStandingJob(pool, CLOSE_SEASONS, {});
        await addStandingJob(pool, DROP_SEASONS, {});
      },
    });
    // Apart from the others, which would wait for receivers that do not answer.
    startRunner(app, {
      pool: app.openPool('deliveries', { ...direct, max: 2 }),
      atATime: DELIVERIES_AT_A_TIME,
      jobs: [app.deliveries],
      addStanding: async () => {},
    });
    app.decorate('jobs', runner);
    app.onScrape(async () => {
      const { jobs: gauge, defaultPartition } = app.measured;
      for (const { table, bytes } of await defaultPartitions(pool).catch(() => []))
        defaultPartition.set({ table }, bytes);
      const counts = await runner.counts().catch(() => []);
      gauge.reset();
      for (const { name } of [...jobs, app.deliveries])
        for (const state of JOB_STATES) gauge.set({ name, state }, 0);
      for (const { job, state, count } of counts) gauge.set({ name: job, state }, count);
      const deliveries = await countDeliveries(pool).catch(() => null);
      for (const [state, count] of Object.entries(deliveries ?? {}))
        app.measured.webhookDeliveries.set({ state }, count);
    });
  },
  {
    name: 'jobs',
    dependencies: ['draining', 'db', 'leaderboard', 'metrics', 'webhooks', 'administrators'],
    fastify: '5.x',
  },
);

/** Runs jobs from when the service is ready until it ends. */
function startRunner(
  app: FastifyInstance,
  options: Pick<JobRunnerOptions, 'pool' | 'jobs' | 'atATime' | 'addStanding'>,
): JobRunner {
  const runner = new JobRunner({
    ...options,
    onError: (error, doing) => {
      if (isDatabaseError(error)) app.faults.database(error, doing);
      else app.log.error({ err: error, data: { doing } }, 'Job failed');
    },
    onDetail: (message) => app.log.debug(message),
  });
  app.addHook('onReady', async () => runner.start());
  // Requests that are under way are answered meanwhile.
  app.addHook('preClose', async () => void runner.stop());
  app.addHook('onClose', () => runner.stop());
  return runner;
}
