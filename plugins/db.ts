import postgres from '@fastify/postgres';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import pg from 'pg';
import type { AppConfig } from '../src/config.js';
import { Loop } from '../src/loop.js';
import { poolOptions } from '../src/postgres/connection.js';
import type { Queryable } from '../src/postgres/database.js';
import { DatabaseClock } from '../src/postgres/database-clock.js';
import { Replica } from '../src/postgres/replica.js';
import { ReplicaLag } from '../src/postgres/replica-lag.js';

const CONNECT_TIMEOUT_MS = 2_000;
/** PostgreSQL ends a statement a second earlier: this is for a server that has vanished silently. */
const QUERY_TIMEOUT_MS = 6_000;
/** Short, so that the primary can still answer in time. */
const REPLICA_TIMEOUT_MS = 1_000;
/** The lag is measured several times in the time that it may take, and no less often than once a second. */
const LAG_EVERY = { share: 1 / 4, atMostMs: 1_000 };
/** A replica that is away is not asked all the time, and not kept waiting for long when it is back. */
const LAG_MAX_BACKOFF_MS = 5_000;
const CLOCK_EVERY_MS = 5_000;
/** A machine whose clock is further off than this has one that nobody sets. */
const CLOCK_MAY_BE_OFF_MS = 5_000;

interface OwnOptions extends Pick<pg.PoolConfig, 'query_timeout'> {
  readonly url: string;
  readonly max: number;
  readonly connectionTimeoutMillis?: number;
  /** Whether the URL may lead to a pooler. */
  readonly viaPooler: boolean;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Another pool, with the options of `app.pg.pool` where it has none of its own. It closes with the service. */
    openPool(name: string, options: OwnOptions): pg.Pool;
    /** For reads that tolerate lag: the replica if there is one that answers and does not lag, else the primary. */
    replica: Queryable;
    /** The primary by a connection of its own, for short questions: one that waited for the pool would say that it is busy. */
    databaseProbe: pg.Pool;
  }
}

/** The pools of connections to PostgreSQL: `app.pg.pool`, that of the replica, and others that plugins open. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { DATABASE_URL, DATABASE_DIRECT_URL, DATABASE_REPLICA_URL, DATABASE_POOL_SIZE } = config;
    const viaPooler = DATABASE_DIRECT_URL !== undefined;
    const options = {
      application_name: config.SERVICE_NAME,
      max: DATABASE_POOL_SIZE,
      // Nothing waits without a limit, neither for a free connection nor for an answer.
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
    };
    await app.register(postgres, poolOptions(DATABASE_URL, options, viaPooler));
    const { pool } = app.pg;
    survive(pool, app);

    const pools = new Map([['primary', pool]]);
    app.decorate('openPool', (name: string, { url, viaPooler, ...own }: OwnOptions) => {
      // So that pg_stat_activity tells the pools apart.
      const named = { ...options, application_name: `${config.SERVICE_NAME} ${name}` };
      const opened = new pg.Pool(poolOptions(url, { ...named, ...own }, viaPooler));
      survive(opened, app);
      pools.set(name, opened);
      app.addHook('onClose', () => opened.end());
      return opened;
    });
    app.onScrape(() => {
      const { poolConnections, poolCapacity, poolWaiting } = app.measured;
      for (const [name, { idleCount, totalCount, waitingCount, options }] of pools) {
        poolConnections.set({ pool: name, state: 'idle' }, idleCount);
        poolConnections.set({ pool: name, state: 'busy' }, totalCount - idleCount);
        poolCapacity.set({ pool: name }, options.max);
        poolWaiting.set({ pool: name }, waitingCount);
      }
    });

    const probe = app.openPool('probe', { url: DATABASE_URL, viaPooler, max: 1 });
    app.decorate('databaseProbe', probe);
    app.decorate('replica', pool);
    if (DATABASE_REPLICA_URL !== undefined)
      openReplica(app, { config, url: DATABASE_REPLICA_URL, viaPooler });
    await compareClocks(app, probe);
  },
  { name: 'db', dependencies: ['faults', 'metrics'], fastify: '5.x' },
);

/** Reads that tolerate lag go to the replica while it answers and its lag is short. */
function openReplica(
  app: FastifyInstance,
  { config, ...where }: { readonly config: AppConfig; readonly url: string; readonly viaPooler: boolean },
): void {
  const { faults, log, pg } = app;
  const limits = { connectionTimeoutMillis: REPLICA_TIMEOUT_MS, query_timeout: REPLICA_TIMEOUT_MS };
  const options = { ...where, ...limits };
  const replica = app.openPool('replica', { ...options, max: config.DATABASE_POOL_SIZE });
  const maxMs = config.DATABASE_REPLICA_MAX_LAG_MS;
  const lag = new ReplicaLag({
    maxMs,
    primary: app.databaseProbe,
    // A connection of its own: one that waited for the pool would take a busy replica for one that lags.
    replica: app.openPool('replica-probe', { ...options, max: 1 }),
    onChange: (isShort) => {
      if (isShort) log.info('The replica has caught up: it is read again');
      else
        log.warn(
          { data: { maxMs } },
          'The replica lags, or its lag is not known: the primary is read instead',
        );
    },
  });
  app.replica = new Replica(replica, pg.pool, lag, (error) =>
    faults.database(error, 'reading from the replica'),
  );
  const measurements = new Loop(() => lag.measure(), {
    everyMs: Math.min(maxMs * LAG_EVERY.share, LAG_EVERY.atMostMs),
    maxBackoffMs: LAG_MAX_BACKOFF_MS,
    onError: (error) => faults.database(error, 'measuring the lag of the replica'),
  }).start(0);
  app.addHook('onClose', () => measurements.stop());
  app.onScrape(() => app.measured.replicaLag.set(lag.ms / 1_000));
}

/** Tells times by the clock of the database, from the start until the service ends. */
async function compareClocks(app: FastifyInstance, probe: pg.Pool): Promise<void> {
  const clock = new DatabaseClock(probe);
  const ahead = await clock.start();
  if (Math.abs(ahead) > CLOCK_MAY_BE_OFF_MS) {
    app.log.warn(
      { data: { aheadSeconds: Math.round(ahead / 1000) } },
      'The clock of this machine is wrong: times are told by that of the database',
    );
  }
  const comparisons = new Loop(() => clock.compare(), {
    everyMs: CLOCK_EVERY_MS,
    onError: (error) => app.faults.database(error, 'reading the clock'),
  }).start();
  app.addHook('onClose', () => comparisons.stop());
}

/** Without listeners a connection that ends, idle or in use, would end the process. */
function survive(pool: pg.Pool, { faults, log }: FastifyInstance): void {
  pool.on('error', (error) => faults.database(error, 'keeping an idle connection'));
  pool.on('connect', (client) => {
    // The query that uses the connection fails with an error of its own.
    client.on('error', (error) => log.debug({ err: error }, 'A database connection was lost while in use'));
  });
}
