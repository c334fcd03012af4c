import fp from 'fastify-plugin';
import { eraseUser } from '../src/access/erasure.js';
import { purgeSessions } from '../src/access/sessions.js';
import { purgeScores } from '../src/catalog/purge-scores.js';
import type { AppConfig } from '../src/config.js';
import { addStandingJob } from '../src/jobs/job.js';
import { PURGE, purge } from '../src/jobs/purge.js';
import { JOB_CONNECTIONS, JOB_STATES, JobRunner } from '../src/jobs/runner.js';
import { CLOSE_SEASONS, closeSeason, closeSeasons, forgetSeason } from '../src/ledger/closing.js';
import { PARTITIONS, partitions } from '../src/ledger/partitions-job.js';
import { purgeTokens } from '../src/ledger/purge-tokens.js';
import { massVoid } from '../src/moderation/mass-void.js';
import type { Queryable } from '../src/postgres/database.js';
import { isDatabaseError } from '../src/postgres/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    jobs: JobRunner;
  }
}

/** Work that goes on after its request. It has connections of its own, so that requests do not wait for it. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const url = config.DATABASE_DIRECT_URL ?? config.DATABASE_URL;
    const pool = app.openPool('jobs', { url, viaPooler: false, max: JOB_CONNECTIONS });
    const { removeBoards } = app;
    const purgeBoards = (client: Queryable, limit: number) => purgeScores(client, limit, removeBoards);
    const jobs = [
      purge([purgeTokens, purgeSessions, purgeBoards]),
      partitions({
        retention: config.EVENTS_RETENTION,
        onKept: (month, why) => app.log.warn({ data: { month, why } }, 'Old events are kept'),
      }),
      closeSeasons(),
      closeSeason(app.instance),
      forgetSeason(removeBoards),
      eraseUser,
      massVoid({ leaderboards: app.leaderboards, writer: app.instance }),
    ];
    const runner = new JobRunner({
      pool,
      jobs,
      addStanding: async () => {
        await addStandingJob(pool, PURGE, {});
        await addStandingJob(pool, PARTITIONS, {});
        await addStandingJob(pool, CLOSE_SEASONS, {});
      },
      onError: (error, doing) => {
        if (isDatabaseError(error)) app.faults.database(error, doing);
        else app.log.error({ err: error, data: { doing } }, 'Job failed');
      },
      onDetail: (message) => app.log.debug(message),
    });
    app.decorate('jobs', runner);
    app.addHook('onReady', async () => runner.start());
    // Requests that are under way are answered meanwhile.
    app.addHook('preClose', async () => void runner.stop());
    app.addHook('onClose', () => runner.stop());
    app.onScrape(async () => {
      const { jobs: gauge } = app.measured;
      const counts = await runner.counts().catch(() => []);
      gauge.reset();
      for (const { name } of jobs) for (const state of JOB_STATES) gauge.set({ name, state }, 0);
      for (const { job, state, count } of counts) gauge.set({ name: job, state }, count);
    });
  },
  { name: 'jobs', dependencies: ['draining', 'db', 'leaderboard', 'metrics'], fastify: '5.x' },
);
