import fp from 'fastify-plugin';
import { DisplayNames } from '../src/access/display-names.js';
import { type BoardKey, boardKey } from '../src/board-key.js';
import { UnappliedChanges } from '../src/changes/unapplied-changes.js';
import type { AppConfig } from '../src/config.js';
import { BoardNames } from '../src/leaderboard/board-names.js';
import { Leaderboards } from '../src/leaderboard/leaderboards.js';
import { MemoryProjection } from '../src/leaderboard/memory-projection.js';
import { OpenBoards } from '../src/leaderboard/open-boards.js';
import { Positions } from '../src/leaderboard/positions.js';
import { EntryMetadata } from '../src/leaderboard/public-metadata.js';
import { ReceivedChanges } from '../src/leaderboard/received-changes.js';
import { Reconciler } from '../src/leaderboard/reconciler.js';
import { RedisBoards } from '../src/leaderboard/redis-boards.js';
import { BoardRedis, RedisProjection } from '../src/leaderboard/redis-projection.js';
import { Seasons } from '../src/leaderboard/seasons.js';
import { Tombstones } from '../src/leaderboard/tombstones.js';
import { UserChanges } from '../src/leaderboard/user-changes.js';
import { HealthCheck } from '../src/observability/health-check.js';

declare module 'fastify' {
  interface FastifyInstance {
    leaderboards: Leaderboards;
    seasons: Seasons;
    positions: Positions;
    boards: OpenBoards;
    /** Whether Redis answers, and has every board that is in use. */
    redisCheck(): Promise<'ok' | 'error' | 'disabled'>;
    userChanges: UserChanges;
    /** Removes deleted boards from Redis. False if Redis does not answer. */
    removeBoards(boards: readonly BoardKey[]): Promise<boolean>;
  }
}

/** The rankings, kept current by this instance's ledger and by the changes of others. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { catalog, instance, measured } = app;
    const database = app.pg.pool;
    const names = new DisplayNames(database, app.changes);
    const erased = new Tombstones();
    const unapplied = new UnappliedChanges((error) => app.faults.either(error, 'confirming a change'));

    const inRedis = (): RedisBoards => {
      const redis = new BoardRedis(app.redis, instance);
      return new RedisBoards({
        redis,
        subscriber: app.redisSubscriber,
        reconciler: new Reconciler(database, redis),
        syncIntervalMs: config.REDIS_SYNC_INTERVAL,
        find: (board) => {
          const projection = boards.peek(board);
          return projection instanceof RedisProjection ? projection : undefined;
        },
        open: () => boards.projections().filter((projection) => projection instanceof RedisProjection),
        reload: (board) => boards.reload(board),
        reloadAll: () => boards.reloadAll(),
        onChange: (board) => boards.announce(board),
        onApplied: (board, changeId) => unapplied.applied(board.text, changeId),
        onReconciled: ({ leaderboard, season }, drift, ms) => {
          app.log.info(
            { data: { leaderboard, season, drift, ms: Math.round(ms) } },
            'Leaderboard compared with PostgreSQL',
          );
        },
        onError: (error) => app.faults.either(error, 'keeping a board in Redis'),
      });
    };
    const redis = config.REDIS_MODE === 'off' ? null : inRedis();
    const maxBytes = config.PROJECTION_MEMORY_MB * 2 ** 20;
    measured.projectionCapacity.set(maxBytes);
    const boards = new OpenBoards({
      database,
      project: (board) => redis?.project(board) ?? new MemoryProjection(board, database, erased),
      maxBytes,
      onOpen: () => measured.projectionsOpened.inc(),
      onLoaded: (projection) => boardNames.read(projection),
      onError: (error) => app.faults.either(error, 'loading a board'),
    });
    const boardNames = new BoardNames({
      names,
      isOpen: (projection) => boards.peek(projection.board.key) === projection,
      onError: (error) => app.faults.either(error, 'reading the names of a board'),
    });
    const leaderboards = new Leaderboards({
      catalog,
      boards,
      names,
      metadata: new EntryMetadata(database),
      database,
      erased,
      unapplied,
      feed: app.changes,
      onError: (error) => app.faults.either(error, 'reading a board'),
    });
    const received = new ReceivedChanges({
      instance,
      boards,
      names,
      erased,
      unapplied,
      sharedSortOf: redis && ((board) => catalog.sortOf(board)),
      onError: (error) => app.faults.either(error, 'applying a change'),
    });
    app.changes.listen({
      onChange: (change) => {
        received.receive(change);
        if (change.type === 'season-final') boards.closeBoard(boardKey(change.leaderboard, change.season));
      },
      onResync: () => received.resync(),
    });
    catalog.onRemoved((leaderboard) => boards.closeLeaderboard(leaderboard));
    app.addHook('onClose', async () => {
      boards.close();
      await boardNames.close();
      await unapplied.close();
      await redis?.close();
    });

    const redisCheck =
      redis &&
      new HealthCheck(
        () => redis.isReady(),
        (error) => app.faults.redis(error, 'answering a health check'),
      );
    app.decorate('leaderboards', leaderboards);
    app.decorate('positions', new Positions({ leaderboards, catalog, database }));
    app.decorate('seasons', new Seasons({ catalog, leaderboards, database }));
    app.decorate(
      'userChanges',
      new UserChanges({ users: app.users, revocations: app.revocations, leaderboards }),
    );
    app.decorate('boards', boards);
    app.decorate('removeBoards', async (deleted: readonly BoardKey[]) => {
      try {
        await redis?.remove(deleted);
        return true;
      } catch (error) {
        app.faults.redis(error, 'removing a deleted board');
        return false;
      }
    });
    app.decorate('redisCheck', async () =>
      redisCheck === null ? 'disabled' : (await redisCheck.passes()) ? 'ok' : 'error',
    );
    app.onScrape(() => {
      const projections = boards.projections();
      const drifts = projections.map((projection) =>
        projection instanceof RedisProjection ? projection.drift : 0,
      );
      measured.drift.set(drifts.reduce((sum, entries) => sum + entries, 0));
      const ready = projections.filter(({ isReady }) => isReady).length;
      measured.projections.set({ state: 'ready' }, ready);
      measured.projections.set({ state: 'loading' }, projections.length - ready);
      measured.projectionLoading.set(boards.longestLoadMs / 1000);
      measured.projectionBytes.set(boards.bytes);
    });
  },
  {
    name: 'leaderboard',
    dependencies: ['db', 'redis', 'change-feed', 'auth', 'catalog', 'metrics'],
    fastify: '5.x',
  },
);
