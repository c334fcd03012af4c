import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import { eventually, projected } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, shown, truth } from '../ledger/truth.js';
import { results } from '../receipts.js';
import { RedisServer, startRedisCluster } from '../redis-server.js';
import { cluster, healthy, type RedisSettings, redisAgrees, SLOW_MS, single } from './under-load.js';

/** The service starts without Redis, and uses it once it is up. */
async function startsWithout(
  t: Test,
  settings: RedisSettings,
  servers: readonly RedisServer[],
): Promise<void> {
  for (const server of servers) await server.kill();
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 3);
  const pool = openPool(t, databaseUrl);
  const start = performance.now();
  const config = { DATABASE_URL: databaseUrl, ...settings };
  const [one, two] = [await buildTestApp(t, config), await buildTestApp(t, config)];
  t.comment(`both have started after ${(performance.now() - start).toFixed()} ms`);
  const urls = [one.url, two.url];
  await healthy(urls, 503, 'error');
  const game = new GameServer(t);
  /** Each user scores more than the one before, which is better on all boards but `latest-race`. */
  const scores = async (expected: readonly { global: number; best: number }[]) => {
    for (const [i, user] of users.entries()) {
      const { status, receipt, ms } = await game.post(urls[i % 2] ?? '', newToken(user, 100 * (i + 1)));
      t.equal(status, 200);
      t.ok(ms < SLOW_MS, `not after the return of Redis: ${ms.toFixed()} ms`);
      const ranks = receipt && results(receipt).map(({ id, rank }) => [id, rank]);
      const { global, best } = expected[i] ?? {};
      t.same(Object.fromEntries(ranks ?? []), { 'best-race': best, global, 'latest-race': i + 1 });
    }
  };
  await scores([
    { global: 1, best: 1 },
    { global: 1, best: 1 },
    { global: 1, best: 1 },
  ]);
  await agreement(t, pool, urls, 20_000);
  await Promise.all(servers.map((server) => server.restart()));
  await healthy(urls, 200, 'ok');
  await scores([
    { global: 3, best: 3 },
    { global: 1, best: 2 },
    { global: 1, best: 1 },
  ]);
  await redisAgrees(t, pool, one.app.redis);
  await agreement(t, pool, urls, 20_000);
}

t.test('a start without Redis', async (t) => {
  const redis = await RedisServer.start(t);
  await startsWithout(t, single(redis.url), [redis]);
});

t.test('a start without the Redis Cluster', async (t) => {
  const { nodes, url } = await startRedisCluster(t);
  await startsWithout(t, cluster(url), nodes);
});

t.test('more boards than connections to PostgreSQL', async (t) => {
  const redis = await RedisServer.start(t);
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  await pool.query(
    "INSERT INTO leaderboards (id, title, sort, operator) SELECT 'b-' || n, 'B', 'desc', 'best' FROM generate_series(1, 30) n",
  );
  const config = { DATABASE_URL: databaseUrl, DATABASE_POOL_SIZE: 4, ...single(redis.url) };
  const instances = [await buildTestApp(t, config), await buildTestApp(t, config)];
  const urls = instances.map(({ url }) => url);
  for (const { app } of instances)
    for (let n = 1; n <= 30; n++) await app.leaderboards.page(boardKey(`b-${n}`, 1), 1);
  await projected(...instances.map(({ app }) => app));
  await healthy(urls, 200, 'ok');
  await redis.kill();
  await healthy(urls, 503, 'error');
  await redis.restartEmpty();
  const start = performance.now();
  await healthy(urls, 200, 'ok');
  const took = performance.now() - start;
  t.comment(`all are rebuilt after ${took.toFixed()} ms`);
  // Each of the sixty rebuilds that found no connection in time would add 2 s.
  t.ok(took < 60_000);
});

t.test('Redis restarts from an old file while no player scores', async (t) => {
  const redis = await RedisServer.start(t);
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 3);
  const pool = openPool(t, databaseUrl);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl, ...single(redis.url) });
  const game = new GameServer(t);
  const scores = () => Promise.all(users.map((user, i) => game.post(url, newToken(user, 100 * (i + 1)))));
  await healthy([url], 200, 'ok');
  await scores();
  await projected(app);
  const [one] = await scores();
  t.type(one?.receipt && results(one.receipt)[0]?.rank, 'number');
  await app.redis.save();
  for (let i = 0; i < 5; i++) await scores();
  const stateOf = async () => {
    const response = await fetch(`${url}/v1/leaderboards/global/entries`);
    const [epoch, version] = (response.headers.get('etag') ?? '').replaceAll('"', '').split('-');
    await response.arrayBuffer();
    return { epoch, version: Number(version) };
  };
  const before = await stateOf();
  const wanted = await truth(pool, 'global');
  // Until nothing is pending verification: only Redis knows of the scores that it will lose.
  await delay(1_000);
  await redis.kill();
  await redis.restart();
  await eventually(async () => {
    t.same(await shown(url, 'global'), wanted, 'old scores are never shown');
    assert.equal((await stateOf()).epoch, before.epoch, 'read from Redis again');
  });
  t.ok((await stateOf()).version > before.version, 'versions are not reused');
  await redisAgrees(t, pool, app.redis);
});
