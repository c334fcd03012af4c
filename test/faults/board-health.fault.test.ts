import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Action } from '../../schemas/action.js';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { Health } from '../../schemas/service.js';
import { boardKey } from '../../src/board-key.js';
import { RECONCILE_LOCK } from '../../src/leaderboard/reconciler.js';
import { eventually, projected, serviceApi, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { shown, truth } from '../ledger/truth.js';
import { results } from '../receipts.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { Load } from './load.js';
import { healthy, type RedisSettings, redisAgrees, single } from './under-load.js';

t.test('after Redis was emptied health is degraded until the boards in use are built again', async (t) => {
  const redis = await RedisServer.start(t);
  const databaseUrl = await buildTestDatabase(t);
  const [player = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  const { app, url } = await startApi(t, { DATABASE_URL: databaseUrl, ...single(redis.url) });
  const game = new GameServer(t);
  assert.equal((await game.post(url, newToken(player, 10))).status, 200);
  await projected(app);
  await healthy([url], 200, 'ok');

  // What an instance does that compares a board: as long as it is at it, no other builds the board.
  const other = await pool.connect();
  const key = boardKey('global', 1).text;
  await other.query('SELECT pg_advisory_lock($1, hashtext($2))', [RECONCILE_LOCK, key]);
  await (await connectTestRedis(t, redis.url)).flushall();
  await healthy([url], 503, 'error');
  t.same(await shown(url, 'global'), await truth(pool, 'global'), 'reads are right');
  const { receipt } = await game.post(url, newToken(player, 10));
  t.same(receipt && results(receipt).map(({ rank }) => rank), [1, 1, 1], 'and so are receipts');
  t.equal((await fetch(`${url}/health`)).status, 503, 'as long as a board is missing');
  other.release(true);
  await healthy([url], 200, 'ok');
  await redisAgrees(t, pool, app.redis);
});

/** Leaderboards that are made, and scored on, while 64 connections score. */
async function madeUnderLoad(t: Test, settings: RedisSettings | { REDIS_MODE: 'off' }): Promise<void> {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 64);
  const service = await startApi(t, { DATABASE_URL: databaseUrl, ...settings });
  const { url, api } = service;
  const admin = await serviceApi(service, 'admin');
  const game = new GameServer(t);
  const load = new Load(game, users, 64, () => url);
  await load.more(200);
  const answers: string[] = [];
  let isOver = false;
  const watch = async () => {
    while (!isOver) {
      const { status, checks } = (await api.get('/health')).is(200, Health);
      answers.push(`${status} ${checks.redis}`);
      await load.more(10);
    }
  };
  const watching = watch();
  let slowest = 0;
  for (let n = 1; n <= 10; n++) {
    const id = `level-${n}`;
    const start = performance.now();
    const board = { title: 'Level', sort: 'asc', operator: 'best' };
    (await admin.put(`/v1/admin/leaderboards/${id}`, board)).is(200, Leaderboard);
    slowest = Math.max(slowest, performance.now() - start);
    const action = { title: 'Go', points: { min: 0, max: 100 }, leaderboards: [id], issuer: 'server' };
    (await admin.put(`/v1/admin/actions/${id}`, { ...action, minDurationMs: 0 })).is(200, Action);
    for (const [i, user] of users.slice(0, 3).entries()) {
      const { status, receipt } = await game.post(url, newToken(user, 10 * (i + 1), { act: id }));
      assert.equal(status, 200);
      t.match(receipt?.leaderboards, [{ id, score: 10 * (i + 1), rank: i + 1 }]);
    }
    await load.more(20);
  }
  await eventually(async () => assert(answers.length > 3), 30_000);
  isOver = true;
  await watching;
  await load.stop();
  t.same(
    new Set(answers),
    new Set([settings.REDIS_MODE === 'off' ? 'ok disabled' : 'ok ok']),
    `${answers.length} times`,
  );
  t.same(
    load.answers.filter(({ status }) => status !== 200),
    [],
    'and no score fails',
  );
  t.comment(`${load.accepted} scores; the slowest PUT of a leaderboard took ${slowest.toFixed()} ms`);
  t.ok(slowest < 20_000, 'none hangs');
}

t.test('a leaderboard is made under load and health stays, in memory', (t) =>
  madeUnderLoad(t, { REDIS_MODE: 'off' }),
);

t.test('a leaderboard is made under load and health stays, in Redis', async (t) =>
  madeUnderLoad(t, single((await RedisServer.start(t)).url)),
);
