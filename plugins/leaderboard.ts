import { randomUUID } from 'node:crypto';
import fp from 'fastify-plugin';
import { DisplayNames } from '../src/access/display-names.js';
import type { AppConfig } from '../src/config.js';
import { Cursors } from '../src/cursor.js';
import { beganAt } from '../src/leaderboard/epoch.js';
import { Leaderboards } from '../src/leaderboard/leaderboards.js';
import { MemoryLeaderboard } from '../src/leaderboard/memory-leaderboard.js';
import { Reconciler } from '../src/leaderboard/reconciler.js';
import { RedisBoards } from '../src/leaderboard/redis-boards.js';
import { HealthCheck } from '../src/observability/health-check.js';

declare module 'fastify' {
  interface FastifyInstance {
    leaderboards: Leaderboards;
    /** Whether every board can be read from Redis. */
    redisCheck(): Promise<'ok' | 'error' | 'disabled'>;
    cursors: Cursors;
    /** Names this process among the instances. */
    instance: string;
  }
}

/** How long after a commit was announced its answer may still be on its way to the ledger, unless it is lost. */
const ANSWERED_WITHIN_MS = 500;

/** The rankings, kept current by this instance's ledger and by what others announce. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    const instance = randomUUID();
    const names = new DisplayNames(app.replica, pool);
    const failed = (error: unknown) => app.faults.either(error, 'applying a change');
    /** Of the last comparison of each board. */
    const drifts = new Map<string, number>();
    const redis =
      config.REDIS_MODE === 'off'
        ? null
        : new RedisBoards({
            client: app.redis,
            subscriber: app.redisSubscriber,
            reconciler: new Reconciler(pool, app.redis),
            syncIntervalMs: config.REDIS_SYNC_INTERVAL,
            onChange: (id) => leaderboards.announce(id),
            onReconciled: (leaderboard, drift, ms) => {
              drifts.set(leaderboard, drift);
              app.log.info(
                { data: { leaderboard, drift, ms: Math.round(ms) } },
                'Leaderboard compared with PostgreSQL',
              );
            },
            onYielded: (leaderboard) => drifts.delete(leaderboard),
            onError: (error) => app.faults.either(error, 'keeping a board in Redis'),
          });
    const leaderboards = new Leaderboards({
      catalog: app.catalog,
      names,
      database: pool,
      project: (key) => redis?.project(key) ?? new MemoryLeaderboard(key, pool),
      onError: (error) => app.faults.either(error, 'reading a board'),
    });

    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'user-renamed')
          leaderboards.rename(change.userId, change.displayName).catch(failed);
        if (change.type === 'user-erased') leaderboards.erase(change.userId).catch(failed);
        if (change.type !== 'scores') return;
        const { leaderboard: leaderboardId, season } = change;
        const changes = change.entries.map(([userId, score, achievedAt, version]) => ({
          leaderboardId,
          season,
          userId,
          score,
          achievedAt,
          version,
        }));
        if (redis) return redis.confirm(leaderboardId, season, changes);
        const apply = () => void leaderboards.apply(changes).catch(failed);
        // What this instance wrote, its ledger applies itself as soon as it has the answer. Later it does no harm, and it
        // is news if the answer never came.
        if (change.instance === instance) setTimeout(apply, ANSWERED_WITHIN_MS).unref();
        else apply();
      },
      onResync: () => {
        names.forgetAll();
        if (redis) redis.doubtAll();
        else leaderboards.reload();
      },
    });
    app.catalog.onLoad(() => leaderboards.follow());
    app.addHook('onClose', async () => {
      leaderboards.close();
      await redis?.close();
    });
    leaderboards.follow();
    app.decorate('instance', instance);
    app.decorate('leaderboards', leaderboards);
    const redisCheck =
      redis &&
      new HealthCheck(
        () => redis.ready(),
        (error) => app.faults.redis(error, 'answering a health check'),
      );
    app.decorate('redisCheck', async () =>
      redisCheck === null ? 'disabled' : (await redisCheck.passes()) ? 'ok' : 'error',
    );
    app.onScrape(async () => {
      const { drift, projectionEpoch, projectionReady } = app.measured;
      drift.set([...drifts.values()].reduce((sum, entries) => sum + entries, 0));
      for (const { id, epoch } of await leaderboards.epochs()) {
        projectionReady.set({ leaderboard: id }, epoch === null ? 0 : 1);
        if (epoch !== null) projectionEpoch.set({ leaderboard: id }, beganAt(epoch) / 1000);
      }
    });
    app.decorate('cursors', new Cursors(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS));
  },
  { name: 'leaderboard', dependencies: ['db', 'redis', 'change-feed', 'catalog', 'metrics'], fastify: '5.x' },
);
