import assert from 'node:assert/strict';
import t from 'tap';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, events, shown, truth } from '../ledger/truth.js';
import { RedisServer } from '../redis-server.js';
import { BoardObserver } from './board-observer.js';
import { BoardStream } from './board-stream.js';
import { HalfOpenProxy } from './half-open-proxy.js';
import { Load, nothingLost } from './load.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './proxy.js';
import { startService } from './service.js';
import { healthy, redisAgrees, single, underLoad } from './under-load.js';

t.test('an instance is killed between its commit and its write to Redis, under load', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 30);
  const pool = openPool(t, databaseUrl);
  const redis = await RedisServer.start(t);
  const proxy = await HalfOpenProxy.open(t, redis.port);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl, ...single(redis.url) });
  const doomed = await startService(t, databaseUrl, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const game = new GameServer(t);
  const first = await Promise.all(users.map((user, i) => game.post(url, newToken(user, 2_000 * (i + 1)))));
  await healthy([url, doomed.url], 200, 'ok');

  const observer = await BoardObserver.start(pool, [url]);
  const stream = await BoardStream.open(t, url, 'limit=100', (board) => observer.addView('stream', board));
  const [quiet, players] = [users.slice(0, 10), users.slice(10)];
  let turn = 0;
  let urls = [url, doomed.url];
  const load = new Load(game, players, 8, () => urls[turn++ % urls.length] ?? '');
  await load.more(100);
  // Otherwise posts of the load would delay the posts of this test until the fault is detected.
  urls = [url];
  await load.more(30);
  proxy.dropsBytes = true;
  const tokens = quiet.map((user) => newToken(user, 80_000));
  const posted = tokens.map((token) => game.post(doomed.url, token));
  const committed = async () =>
    (await events(pool))
      .filter(({ tokenId }) => tokens.some(({ id }) => id === tokenId))
      .map(({ userId }) => userId);
  await eventually(async () => assert((await committed()).length > 0));
  doomed.process.kill('SIGKILL');
  const killed = performance.now();
  await doomed.ended;
  const unanswered = await Promise.all(posted);
  t.ok(
    unanswered.every(({ status }) => status === 0),
    'it has neither written to Redis nor answered',
  );
  const unannounced = await committed();
  await eventually(async () => {
    for (const board of [await shown(url, 'global'), stream.board?.items ?? []]) {
      const scores = new Map(board.map(({ userId, score }) => [userId, score]));
      assert(unannounced.every((user) => (scores.get(user) ?? 0) > 80_000));
    }
  }, 3_000);
  const converged = Math.round(performance.now() - killed);
  await load.more(100);
  await load.stop();

  const answers = [...first, ...unanswered, ...load.answers];
  const odd = load.answers.filter(({ status }) => status !== 200 && status !== 0);
  t.same(odd, [], 'each answer is a 200, or was lost');
  const summary = nothingLost(t, answers, await truth(pool, 'global'), await events(pool));
  await agreement(t, pool, [url], 20_000);
  await redisAgrees(t, pool, app.redis);
  t.same(await observer.violations(load.answers), [], `${observer.views} views of the board were right`);
  t.ok(stream.isOpen);
  t.comment(`${summary}; ${converged} ms to converge`);
});

t.test('PostgreSQL is killed twice, with the boards in Redis', async (t) => {
  const server = await PostgresServer.start(t);
  await migrate(server.url);
  const proxy = await PostgresProxy.open(t, server.port);
  const redis = await RedisServer.start(t);
  await underLoad(
    t,
    single(redis.url),
    async ({ load }) => {
      for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
        server.kill(signal);
        await server.start();
        proxy.target = server.port;
        await load.more(100);
      }
    },
    { databaseUrl: server.url, through: proxy.via(server.url), databaseFails: true },
  );
});
