import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import t, { type Test } from 'tap';
import { query } from '../../dev/databases.js';
import { Environment } from '../../src/config.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually } from '../api.js';
import { PostgresServer } from '../faults/postgres-server.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { startPgBouncer } from '../postgres/pgbouncer.js';
import { section } from './runbook.js';

t.setTimeout(180_000);

const TITLE = 'Connections to PostgreSQL';
const text = section(TITLE);
/** The cells of the table rows that begin like this. */
const rows = (beginning: RegExp) =>
  text
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, first = '']) => beginning.test(first));

/** What the runbook says that a process opens, by application_name; `share` stands for its part of the pool. */
const OF_PROCESS = new Map(
  rows(/^(for|probe|listens|background|reads|how far|a start|a migration)/).map(
    ([, , name = '', most = '']) => [
      name.replaceAll('`', ''),
      /^\d+$/.test(most) ? Number(most) : ('share' as const),
    ],
  ),
);
const [, fixed = '', migration = ''] = /\(share \+ (\d+)\)\nof a deployment .* \+ (\d+)\n/.exec(text) ?? [];
const share = (pool: number, workers: number) => Math.max(4, Math.ceil(pool / workers));
const ofInstance = (pool: number, workers: number) => workers * (share(pool, workers) + Number(fixed));
const ofDeployment = (pool: number, workers: number, instances: number) =>
  2 * instances * ofInstance(pool, workers) + Number(migration);

/** What leads to PostgreSQL itself where the others go through a pooler. */
const DIRECT = ['scoreboard-api changes', 'scoreboard-api deliveries', 'scoreboard-api jobs'];
const POOL = 6;
/** More than any pool has, also where processes share the requests unevenly. */
const AT_A_TIME = 8 * POOL;
const SAMPLE_MS = 5;

const ON_SERVER =
  "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";

/** Notes the most connections that there are at a time, of each name and in all, until the test ends. */
async function countPeak(t: Test, url: string, sql = ON_SERVER) {
  const client = new pg.Client({ connectionString: url, application_name: 'the test' });
  await client.connect();
  const peak = new Map<string, number>();
  let counting = true;
  const counted = (async () => {
    while (counting) {
      const { rows } = await client.query<{ application_name: string }>(sql);
      const names = rows
        .map(({ application_name: name }) => name)
        .filter((name) => name.startsWith('scoreboard-api'));
      const now = new Map<string, number>([['all', names.length]]);
      for (const name of names) now.set(name, (now.get(name) ?? 0) + 1);
      for (const [name, count] of now) peak.set(name, Math.max(count, peak.get(name) ?? 0));
      await delay(SAMPLE_MS);
    }
  })();
  t.teardown(async () => {
    counting = false;
    await counted;
    await client.end();
  });
  return peak;
}

const Guest = Type.Object({ accessToken: Type.String() });

/** Asks a service for more at a time than it has connections, of every kind. @param databaseUrl PostgreSQL itself */
async function burst(databaseUrl: string, service: string): Promise<void> {
  // Both workers of an instance look for jobs.
  await query(databaseUrl, `SELECT pg_notify('jobs:insert', '{"count":2}')`);
  const ask = async (path: string, init: RequestInit) => {
    const answer = await fetch(service + path, init);
    assert(answer.ok, `${path}: ${answer.status}`);
    return answer.json();
  };
  const guest = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      const { accessToken } = Value.Parse(Guest, await ask('/v1/auth/guest', guest));
      await ask('/v1/users/me/events', { headers: { authorization: `Bearer ${accessToken}` } });
    }),
  );
}

const LIMITS = { RATE_LIMIT_AUTH: '1000000', DATABASE_POOL_SIZE: String(POOL) };
const named = (peak: ReadonlyMap<string, number>, names: Iterable<string>) =>
  Object.fromEntries([...names].map((name) => [name, peak.get(name) ?? 0]));

/** What so many processes have at the primary while they serve, by application_name. */
const lasting = (processes: number, workers = processes) =>
  Object.fromEntries(
    [...OF_PROCESS]
      .filter(([name]) => !/ (start|migrate|replica.*)$/.test(name))
      .map(([name, most]) => [name, processes * (most === 'share' ? share(POOL, workers) : most)]),
  );

t.test('the runbook names every kind of connection', async (t) => {
  t.same([...OF_PROCESS.keys()].sort(), [
    'scoreboard-api',
    'scoreboard-api changes',
    'scoreboard-api deliveries',
    'scoreboard-api jobs',
    'scoreboard-api migrate',
    'scoreboard-api probe',
    'scoreboard-api replica',
    'scoreboard-api replica-probe',
    'scoreboard-api start',
  ]);
  t.equal(
    [...DIRECT, 'scoreboard-api probe'].reduce((sum, name) => sum + Number(OF_PROCESS.get(name)), 0),
    Number(fixed),
    'the formula has their sum',
  );
  t.equal(OF_PROCESS.get('scoreboard-api migrate'), Number(migration));
});

for (const workers of [1, 2]) {
  t.test(`${workers} processes have as many connections as the runbook says`, async (t) => {
    const url = await buildTestDatabase(t, 'template0');
    const peak = await countPeak(t, url);
    const { url: base } = await startService(t, url, {
      ...LIMITS,
      WORKERS: String(workers),
    });
    const expected = lasting(workers);
    await eventually(async () => {
      await burst(url, base);
      assert.deepEqual(named(peak, Object.keys(expected)), expected);
    }, 20_000);
    for (let i = 0; i < 3; i++) await burst(url, base);
    t.same(named(peak, Object.keys(expected)), expected, 'and no more, whatever comes');
    t.equal(peak.get('all'), ofInstance(POOL, workers));
    for (const name of ['scoreboard-api start', 'scoreboard-api migrate']) {
      const most = peak.get(name) ?? 0;
      t.ok(most >= 1 && most <= Number(OF_PROCESS.get(name)) * workers, `${name}: ${most}`);
    }
  });
}

t.test('a replica has as many as the runbook says', async (t) => {
  const primary = await PostgresServer.start(t);
  await primary.prepare();
  const replica = await primary.replica(t);
  const peak = await countPeak(t, replica.url);
  const { url: base } = await startService(t, primary.url, {
    ...LIMITS,
    DATABASE_REPLICA_URL: replica.url,
  });
  const [, more = ''] =
    /\*\*replica\*\* takes `2 × instances × WORKERS × \(share \+ (\d+)\)`/.exec(text) ?? [];
  t.equal(OF_PROCESS.get('scoreboard-api replica-probe'), Number(more));
  await eventually(async () => {
    await burst(primary.url, base);
    assert.equal(peak.get('scoreboard-api replica'), share(POOL, 1));
  }, 20_000);
  t.equal(peak.get('all'), share(POOL, 1) + Number(more));
});

t.test('in a deployment there are twice as many, and those of a migration', async (t) => {
  const url = await buildTestDatabase(t);
  const peak = await countPeak(t, url);
  const before = await startService(t, url, LIMITS);
  const after = await startService(t, url, LIMITS);
  const expected = lasting(2, 1);
  await eventually(async () => {
    // As the hook of the chart and the task of AWS do.
    await Promise.all([burst(url, before.url), burst(url, after.url), migrate(url)]);
    assert.deepEqual(named(peak, Object.keys(expected)), expected);
  }, 20_000);
  t.ok((peak.get('all') ?? 0) <= ofDeployment(POOL, 1, 1));
});

t.test('through PgBouncer a process has its pool and the probe there, and the others directly', async (t) => {
  const direct = await buildTestDatabase(t);
  const pooled = await startPgBouncer(t, direct, 'transaction');
  const console = new URL(pooled);
  console.pathname = '/pgbouncer';
  const clients = await countPeak(t, console.href, 'SHOW CLIENTS');
  const sessions = await countPeak(
    t,
    direct,
    // A session of the pooler has the name of the client that it serves.
    `${ON_SERVER} AND application_name IN ('${DIRECT.join("', '")}')`,
  );
  const urls = { DATABASE_URL: pooled, DATABASE_DIRECT_URL: direct };
  const { url: base } = await startService(t, pooled, { ...LIMITS, ...urls });
  const most = (name: string) => Number(OF_PROCESS.get(name));
  const [, ofPooler = '', ofServer = ''] =
    /WORKERS × \(share \+ (\d+)\)` \(its `max_client_conn`\)[^`]*`2 × instances × WORKERS × (\d+) \+ 3`/.exec(
      text,
    ) ?? [];
  await eventually(async () => {
    await burst(direct, base);
    assert.equal(clients.get('scoreboard-api'), share(POOL, 1));
    assert.equal(clients.get('scoreboard-api probe'), most('scoreboard-api probe'));
    assert.equal(sessions.get('all'), Number(ofServer));
  }, 20_000);
  t.equal(clients.get('all'), share(POOL, 1) + Number(ofPooler));
  t.equal(
    DIRECT.reduce((sum, name) => sum + most(name), 0),
    Number(ofServer),
  );
});

t.test('a migration has as many connections as the runbook says', async (t) => {
  const url = await buildTestDatabase(t, 'template0');
  const folder = t.testdir({
    '1.do.thing.sql': 'CREATE TABLE thing (n integer);',
    '1.undo.thing.sql': 'DROP TABLE thing;',
  });
  await migrate(url, { folder });
  const pages = '-- step\nCREATE INDEX CONCURRENTLY thing_n_idx ON thing (n);';
  const both = t.testdir({
    '1.do.thing.sql': readFileSync(`${folder}/1.do.thing.sql`),
    '1.undo.thing.sql': 'DROP TABLE thing;',
    '2.do.index.sql': pages,
    '2.undo.index.sql': '-- step\nDROP INDEX CONCURRENTLY IF EXISTS thing_n_idx;',
  });
  const old = new pg.Client(url);
  await old.connect();
  // The index waits for this transaction.
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO thing VALUES (1)');
  const peak = await countPeak(t, url);
  const cut = new AbortController();
  const migrating = migrate(url, { folder: both, reportEveryMs: 1_000, signal: cut.signal });
  // One migrates, one looks how far it is.
  await eventually(async () => assert.equal(peak.get('all'), 2), 30_000);
  cut.abort();
  await t.rejects(migrating);
  await old.end();
  t.ok((peak.get('all') ?? 0) <= Number(migration), 'and one that stops it');
});

t.test('what is planned with agrees with the formula, wherever it is said', async (t) => {
  const read = (file: string) => readFileSync(file, 'utf8');
  const plans = rows(/^`(compose|deploy)/).map(([, where = '', ...numbers]) => ({
    where,
    numbers: numbers.map(Number),
  }));
  t.equal(plans.length, 5);
  for (const { where, numbers } of plans) {
    const [instances = 0, workers = 0, pool = 0, one, all] = numbers;
    t.same([one, all], [ofInstance(pool, workers), ofDeployment(pool, workers, instances)], where);
    t.equal(pool, Environment.properties.DATABASE_POOL_SIZE.default, where);
  }
  const planned = (beginning: string) =>
    plans.find(({ where }) => where.startsWith(beginning))?.numbers ?? [];
  const [instances = 0, workers = 0, pool = 0, one, all] = planned('`deploy/helm`');
  const values = read('deploy/helm/values.yaml');
  t.match(values, `\n  maxReplicas: ${instances}\n`);
  t.match(values, `\n  WORKERS: '${workers}'\n  DATABASE_POOL_SIZE: '${pool}'\n`);
  t.match(values, `2 × ${instances} instances × ${one} + 3 = ${all}.`);
  t.match(values, `and ${fixed} more)`);
  t.match(read('deploy/kubernetes/scoreboard-api.yaml'), `scoreboard-api/database-connections: "${all}"\n`);
  const [, , , simple, simpleAll] = planned('`compose.simple.yaml`');
  t.match(
    read('deploy/helm/values-simple.yaml'),
    `2 × 1 instance × ${simple} + 3 = ${simpleAll} connections`,
  );
  const ofDirect = DIRECT.reduce((sum, name) => sum + Number(OF_PROCESS.get(name)), 0);
  const direct = 2 * instances * workers * ofDirect + 3;
  const pooled = 2 * instances * workers * (share(pool, workers) + 1);
  const pooler = read('deploy/helm/values-pgbouncer.yaml');
  t.match(pooler, `1 more to PgBouncer, and ${ofDirect} to PostgreSQL.`);
  t.match(pooler, `2 × ${instances} × ${workers} × ${ofDirect} + 3 = ${direct} to PostgreSQL`);
  t.match(pooler, `2 × ${instances} × ${workers} × (${share(pool, workers)} + 1) = ${pooled} to PgBouncer`);
  const stages = [
    ...read('deploy/aws/src/stage.ts').matchAll(
      / cpu: (\d+),.* maximum: (\d+) [\s\S]*? maxConnections: (\d+),/g,
    ),
  ].map(([, cpu = '', most = '', taken = '']) => ({
    // A process for each processor.
    workers: Number(cpu) / 1_024,
    most: Number(most),
    taken: Number(taken),
  }));
  t.equal(stages.length, 3);
  const [ofProduction, ...others] = stages.map(({ most, workers }) => [most, workers]);
  t.same(ofProduction, planned('`deploy/aws`, production').slice(0, 2));
  for (const each of others) t.same(each, planned('`deploy/aws`, staging').slice(0, 2));
  // DatabaseConnectionsHigh must not be raised by a deployment.
  for (const { most, workers, taken } of stages)
    t.ok(ofDeployment(pool, workers, most) <= 0.8 * taken, `${taken}`);
});
