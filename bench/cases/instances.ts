import pg from 'pg';
import { query } from '../../dev/databases.js';
import type { Case, Result } from '../case.js';
import { pairs, ratioOf } from '../pairs.js';
import { untilProjected } from '../probe.js';
import { postgresSeconds, redisSeconds } from '../processor-time.js';
import { USERS } from '../subjects.js';
import type { Testbed } from '../testbed.js';

const COUNTS = [2, 4];
const SECONDS = 1.5;
const ROUNDS = 5;
/** Scores until a process runs compiled code: before that, each takes several times as long. */
const WARM_SCORES = 5_000;
/** On a machine that is too busy for that. */
const WARM_RUNS = 10;
/** Two for each of eight instances, which is what instances write at a time. */
const WRITERS = 16;

/** Of one run. All but the first are microseconds of processor time for a score. */
interface Sample {
  readonly perSecond: number;
  readonly service: number;
  readonly postgres: number;
  /** NaN without Redis. */
  readonly redis: number;
}

const FIGURES = {
  perSecond: 'scores accepted a second',
  service: 'microseconds of all instances for a score',
  postgres: 'microseconds of PostgreSQL for a score',
  redis: 'microseconds of Redis for a score',
} satisfies Record<keyof Sample, string>;

const WITHOUT_REDIS = ['perSecond', 'service', 'postgres'] as const;

/** Some instances on a database of their own. */
interface Deployment {
  readonly name: string;
  readonly count: number;
  readonly samples: Sample[];
  measure(): Promise<Sample>;
}

async function deploy(testbed: Testbed, count: number, withRedis: boolean): Promise<Deployment> {
  const name = `${count} ${withRedis ? 'with' : 'without'} Redis`;
  const url = await testbed.database(`instances_${name.replaceAll(' ', '_').toLowerCase()}`, USERS, USERS);
  const redis = withRedis ? await testbed.redis() : undefined;
  const servers = await Promise.all(
    Array.from({ length: count }, () => testbed.server('service', url, redis)),
  );
  for (const server of servers) await untilProjected(server, ['global']);
  const [port = 0, ...otherPorts] = servers.map(({ port }) => port);
  const job = { port, otherPorts, connections: 64, seconds: SECONDS, users: USERS };
  const ofPostgres = await postgresSeconds(url);
  const ofRedis = redis === undefined ? () => Number.NaN : await redisSeconds(redis.REDIS_URL);
  const used = async () => {
    const ofServers = await Promise.all(servers.map((server) => server.used('cpu')));
    return {
      service: ofServers.reduce((sum, seconds) => sum + seconds, 0),
      postgres: ofPostgres(),
      redis: ofRedis(),
    };
  };
  const measure = async (): Promise<Sample> => {
    await testbed.mint({ kind: 'mint', ...job });
    const before = await used();
    const { right, seconds } = await testbed.load({ kind: 'scores', ...job });
    const after = await used();
    const each = (what: keyof typeof before) => ((after[what] - before[what]) * 1e6) / right;
    return {
      perSecond: right / seconds,
      service: each('service'),
      postgres: each('postgres'),
      redis: each('redis'),
    };
  };
  return { name, count, samples: [], measure };
}

async function warmUp({ count, measure }: Deployment): Promise<void> {
  let scores = 0;
  for (let run = 0; run < WARM_RUNS && scores < WARM_SCORES * count; run++)
    scores += (await measure()).perSecond * SECONDS;
}

function compare(ours: Deployment, theirs: Deployment, figure: keyof Sample, against: string): Result {
  const of = ({ samples }: Deployment) => samples.map((sample) => sample[figure]);
  return {
    what: `instances: ${FIGURES[figure]}, ${ours.name}`,
    against,
    figure: ratioOf(of(ours), of(theirs)),
  };
}

/**
 * One, two and four instances, each deployment on a database of its own, without and with a Redis of its own. All of them, the clients
 * and PostgreSQL share the cores of this machine: processor time for a score says what an instance more costs, scores a
 * second do not say what it brings on a machine of its own.
 */
export const instances: Case = async (testbed) => {
  const lines: Result[] = [];
  const largest: Deployment[] = [];
  for (const withRedis of [false, true]) {
    const one = await deploy(testbed, 1, withRedis);
    const more: Deployment[] = [];
    for (const count of COUNTS) more.push(await deploy(testbed, count, withRedis));
    const all = [one, ...more];
    for (const deployment of all) await warmUp(deployment);
    for (let round = 0; round < ROUNDS; round++)
      for (const { samples, measure } of all) samples.push(await measure());
    const figures = [...WITHOUT_REDIS, ...(withRedis ? (['redis'] as const) : [])];
    for (const deployment of more)
      for (const figure of figures) lines.push(compare(deployment, one, figure, 'one instance'));
    largest.push(...more.slice(-1));
  }
  const [without, withRedis] = largest;
  if (without !== undefined && withRedis !== undefined)
    for (const figure of WITHOUT_REDIS)
      lines.push(compare(withRedis, without, figure, 'as many without Redis'));
  return [...lines, await commits(testbed)];
};

/** Whoever commits a notification holds a lock of the whole server until that is on disk: such commits do not share a write. */
async function commits(testbed: Testbed): Promise<Result> {
  const url = await testbed.database('instances_commits', 1);
  await query(url, 'CREATE TABLE written (at timestamptz DEFAULT now())');
  const pool = new pg.Pool({ connectionString: url, max: WRITERS });
  const perSecond = (answer: string) => async (): Promise<number> => {
    const end = performance.now() + 1000 * SECONDS;
    let committed = 0;
    const write = async () => {
      while (performance.now() < end) {
        await pool.query(
          `WITH one AS (INSERT INTO written DEFAULT VALUES RETURNING at) SELECT ${answer} FROM one`,
        );
        committed += 1;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    return committed / SECONDS;
  };
  try {
    return {
      what: `instances: commits a second of ${WRITERS} connections, each with a notification`,
      against: 'without a notification',
      figure: await pairs(perSecond("pg_notify('written', at::text)"), perSecond('at')),
    };
  } finally {
    await pool.end();
  }
}
