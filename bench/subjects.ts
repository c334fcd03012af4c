import { query } from '../dev/databases.js';
import type { LoadResult } from './http-load.js';
import { userId } from './players.js';
import { frameDelays, untilProjected } from './probe.js';
import { postgresSeconds, redisSeconds } from './processor-time.js';
import type { Server, Testbed } from './testbed.js';

/** The service on a database of its own. */
export interface Service {
  readonly server: Server;
  /** Processor time of its PostgreSQL so far, in seconds. */
  readonly postgresSeconds: () => number;
  /** The same of its Redis; 0 without one. */
  readonly redisSeconds: () => number;
  readonly written: () => Promise<Written>;
}

/** Bytes that PostgreSQL has written so far. */
interface Written {
  readonly log: number;
  /** How many whole pages are in the log, each since its first change after a checkpoint. */
  readonly images: number;
  /** What the tables take, with their indexes. */
  readonly tables: number;
}

/** Something that is measured in the same way at every commit. */
export interface Subject {
  readonly what: string;
  /** Whether requests come at half of the highest rate of the slower side, and not as fast as they are answered. */
  readonly isAtHalfRate?: boolean;
  /** Whether the boards are in Redis. */
  readonly hasRedis?: boolean;
  run(clients: Testbed, server: Server, how?: How): Promise<LoadResult>;
}

interface How {
  /** Requests a second. */
  readonly rate?: number | undefined;
  /** Whether the server has no accounts and tokens. */
  readonly bare?: boolean;
}

/** What one run has shown. Processor time is in microseconds a request, latencies are in milliseconds. */
export interface Sample {
  readonly perSecond: number;
  readonly serviceMicroseconds: number;
  readonly postgresMicroseconds: number;
  readonly redisMicroseconds: number;
  readonly p50: number;
  readonly p99: number;
  /** A request. */
  readonly logBytes: number;
  readonly tableBytes: number;
}

export const USERS = 20_000;
const SECONDS = 3;
const SCORES = { kind: 'scores', connections: 64, seconds: SECONDS, users: USERS } as const;
const READS = { kind: 'reads', connections: 64, seconds: SECONDS, expected: '"rank":' } as const;
const TOP = ['/v1/leaderboards/global/entries?limit=10'];
const NEIGHBOURS = Array.from(
  { length: USERS - 1 },
  (_, n) => `/v1/leaderboards/global/entries/${userId(n + 1)}/around`,
);
/** Slow enough that no frame has to wait for the one before. */
const LONE_UPDATES_A_SECOND = 4;

/** Posts scores. Their tokens are minted before. */
const scores =
  (options: {
    connections?: number;
    rate?: number;
    unseen?: boolean;
    isBesideReads?: boolean;
  }): Subject['run'] =>
  async (clients, { port }, { rate, bare = false } = {}) => {
    const { isBesideReads, ...own } = options;
    const job = { ...SCORES, port, bare, ...own, ...(rate !== undefined && { rate }) };
    await clients.mint({ ...job, kind: 'mint' });
    return clients.load(isBesideReads ? { ...job, beside: { ...READS, port, paths: TOP } } : job);
  };

const reads =
  (paths: readonly string[]): Subject['run'] =>
  (clients, { port }) =>
    clients.load({ ...READS, port, paths });

export const SUBJECTS = {
  write: { what: 'scores over 64 connections', run: scores({}) },
  'write-unseen': {
    what: 'scores, each with an access token that the service has not seen before',
    run: scores({ unseen: true }),
  },
  'write-redis': { what: 'scores over 64 connections, with Redis', hasRedis: true, run: scores({}) },
  'write-half': { what: 'scores at half of the highest rate', isAtHalfRate: true, run: scores({}) },
  'write-lone': { what: 'scores, one after the other', run: scores({ connections: 1 }) },
  'write-beside-reads': {
    what: '200 scores a second beside 64 readers; the processor time is that of both',
    run: scores({ rate: 200, isBesideReads: true }),
  },
  top: { what: 'pages of the top ten, 64 readers', run: reads(TOP) },
  neighbours: {
    what: 'a rank with ten neighbours, of 20,000 players in turn, 64 readers',
    run: reads(NEIGHBOURS),
  },
  frame: {
    what: `from a post to its frame, ${LONE_UPDATES_A_SECOND} scores a second`,
    run: async (_: Testbed, server: Server) => {
      const latencies = await frameDelays(server, 'post', SECONDS, LONE_UPDATES_A_SECOND);
      return { right: latencies.length, wrong: 0, seconds: SECONDS, latencies };
    },
  },
} satisfies Record<string, Subject>;

/** Starts the service of a testbed, with 20,000 players on the board. */
export async function startService(testbed: Testbed, name: string, hasRedis = false): Promise<Service> {
  const url = await testbed.database(name, USERS, USERS);
  const redis = hasRedis ? await testbed.redis() : undefined;
  const server = await testbed.server('service', url, redis);
  await untilProjected(server, ['global']);
  return {
    server,
    postgresSeconds: await postgresSeconds(url),
    redisSeconds: redis === undefined ? () => 0 : await redisSeconds(redis.REDIS_URL),
    written: () => written(url),
  };
}

/** What is in the database of a service, and what went into the write-ahead log of its server. */
export async function written(url: string): Promise<Written> {
  const [row] = await query<Written>(
    url,
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS log, (SELECT wal_fpi::float8 FROM pg_stat_wal) AS images,
            (SELECT sum(pg_total_relation_size(oid))::float8 FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS tables`,
  );
  if (row === undefined) throw new Error('PostgreSQL does not tell its sizes');
  return row;
}

export async function sample(
  { server, postgresSeconds, redisSeconds, written }: Service,
  run: () => Promise<LoadResult>,
): Promise<Sample> {
  const sizes = await written();
  const used = async () => ({
    service: await server.used('cpu'),
    postgres: postgresSeconds(),
    redis: redisSeconds(),
  });
  const before = await used();
  const { right, seconds, latencies } = await run();
  const after = await used();
  const microseconds = (of: keyof typeof before) => ((after[of] - before[of]) * 1e6) / right;
  const { log, tables } = await written();
  const quantile = (part: number) => latencies[Math.ceil(latencies.length * part) - 1] ?? Number.NaN;
  return {
    perSecond: right / seconds,
    serviceMicroseconds: microseconds('service'),
    postgresMicroseconds: microseconds('postgres'),
    redisMicroseconds: microseconds('redis'),
    p50: quantile(0.5),
    p99: quantile(0.99),
    logBytes: (log - sizes.log) / right,
    tableBytes: (tables - sizes.tables) / right,
  };
}
