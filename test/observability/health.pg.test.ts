import assert from 'node:assert/strict';
import t from 'tap';
import { Health } from '../../schemas/service.js';
import { HealthCheck } from '../../src/observability/health-check.js';
import { eventually, startApi } from '../api.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';

t.test('thousands of health calls cost the database one query a second', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const { app, api } = await startApi(t, { DATABASE_URL: databaseUrl });
  const answered = async (): Promise<number> => {
    const { rows } = await pool.query<{ xacts: number }>(
      'SELECT xact_commit AS xacts FROM pg_stat_database WHERE datname = current_database()',
    );
    return rows[0]?.xacts ?? 0;
  };
  await api.get('/health');
  const before = await answered();
  const start = performance.now();
  const workers = Array.from({ length: 16 }, async () => {
    for (let i = 0; i < 125; i++) assert.equal((await fetch(`${api.url}/health`)).status, 200);
  });
  await Promise.all(workers);
  const seconds = (performance.now() - start) / 1000;
  // PostgreSQL counts what a connection has done when it ends.
  await app.close();
  const queries = await eventually(async () => {
    const count = (await answered()) - before;
    assert(count > 0);
    return count;
  });
  t.comment(`2,000 calls in ${seconds.toFixed(1)} s: ${queries} transactions, with those of the start`);
  // One a call would be 2,000. The start, the jobs and the heartbeat of the feed are in it too.
  t.ok(queries < 10 * seconds + 200);
});

t.test('a check that hangs is an error after a second, however many ask', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const port = Number(new URL(databaseUrl).port);
  const proxy = await PostgresProxy.open(t, port);
  const { api } = await startApi(t, { DATABASE_URL: proxy.via(databaseUrl) });
  (await api.get('/health')).is(200, Health);
  proxy.freeze();
  const degraded = await eventually(async () => {
    const start = performance.now();
    const answer = (await api.get('/health')).is(503, Health);
    // A query may take six seconds.
    assert(performance.now() - start < 5_000, 'a hang');
    return answer;
  });
  t.same(degraded.checks, { database: 'error', redis: 'disabled' });
  proxy.thaw();
  await eventually(async () => (await api.get('/health')).is(200, Health));
});

t.test('a pool that is all in use is busy, not ill', async (t) => {
  const { app, api } = await startApi(t, { DATABASE_POOL_SIZE: 4 });
  const clients = await Promise.all(Array.from({ length: 4 }, () => app.pg.pool.connect()));
  t.same((await api.get('/health')).is(200, Health).checks.database, 'ok');
  const metrics = await (await fetch(`${api.url}/metrics`)).text();
  t.match(metrics, /^database_pool_connections\{pool="primary",state="busy"\} 4$/m);
  for (const client of clients) client.release();
});

t.test('a process that was held up for longer than a check may take has still been answered', async (t) => {
  const pool = openPool(t, await buildTestDatabase(t));
  await pool.query('SELECT');
  const check = new HealthCheck(
    async () => {
      const answer = pool.query('SELECT');
      setImmediate(() => {
        for (const end = performance.now() + 1_200; performance.now() < end; );
      });
      return (await answer).rowCount === 1;
    },
    (error) => t.fail(String(error)),
  );
  t.ok(await check.passes());
});

t.test('an answer is good for a second, and a throw is a no', async (t) => {
  let asked = 0;
  const errors: unknown[] = [];
  let ask = async () => true;
  const check = new HealthCheck(
    () => {
      asked++;
      return ask();
    },
    (error) => errors.push(error),
  );
  t.same(await Promise.all([check.passes(), check.passes(), check.passes()]), [true, true, true]);
  t.ok(await check.passes());
  t.equal(asked, 1);
  ask = async () => {
    throw new Error('away');
  };
  await eventually(async () => assert.equal(await check.passes(), false));
  t.equal(asked, 2);
  await eventually(async () => {
    await check.passes();
    assert.equal(asked, 3);
  });
  t.equal(errors.length, 1, 'what goes on is reported once');
});
