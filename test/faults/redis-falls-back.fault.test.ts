import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { boardKey } from '../../src/board-key.js';
import { keysOf } from '../../src/leaderboard/redis-projection.js';
import { eventually, newPlayer, projected, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { results } from '../receipts.js';
import { addReplicas, connectTestRedis, RedisServer, startRedisCluster } from '../redis-server.js';
import { BoardStream } from './board-stream.js';
import { cluster, healthy, type RedisSettings, redisAgrees, single } from './under-load.js';

const GLOBAL = boardKey('global', 1);
const { board: BOARD_KEYS } = keysOf(GLOBAL);

/** Two instances with a board in Redis, on which Ada and Bob have scored, and a stream of each instance. */
async function startTwo(t: Test, settings: RedisSettings) {
  const config = { DATABASE_URL: await buildTestDatabase(t), ...settings };
  const [a, b] = [await startApi(t, config), await startApi(t, config)];
  const [ada, bob] = [await newPlayer(a.api, 'Ada'), await newPlayer(a.api, 'Bob')];
  const score = async (player: typeof ada, at: typeof a) => {
    const answer = await player.api.at(at.url).post('/v1/scores', { actionToken: mint(player.id) });
    return results(answer.is(200, Receipt))[0];
  };
  for (const player of [ada, bob]) for (const at of [a, b]) await score(player, at);
  const streams = [await BoardStream.open(t, a.url), await BoardStream.open(t, b.url)];
  await eventually(async () => {
    for (const stream of streams)
      assert.deepEqual(
        stream.board?.items.map(({ score }) => score),
        [500, 500],
      );
  });
  await projected(a.app, b.app);
  const pool = openPool(t, config.DATABASE_URL);
  const shows = async (scores: readonly number[]) => {
    for (const { api } of [a, b]) {
      const { items } = (await api.get('/v1/leaderboards/global/entries')).is(200, Entries);
      assert.deepEqual(
        items.map(({ score }) => score),
        scores,
      );
    }
    for (const { board } of streams)
      assert.deepEqual(
        board?.items.map(({ score }) => score),
        scores,
      );
  };
  /** After the fall: nothing is lost, streams go on and never back, and Redis is right again. */
  const checkRecovery = async (scores: [ada: number, bob: number]) => {
    await eventually(() => shows(scores));
    const receipt = await score(ada, a);
    t.match(receipt, { score: scores[0] + 250, rank: 1 });
    await eventually(() => shows([scores[0] + 250, scores[1]]));
    await healthy([a.url, b.url], 200, 'ok');
    await projected(a.app, b.app);
    await redisAgrees(t, pool, a.app.redis);
    await score(ada, b);
    await eventually(() => shows([scores[0] + 500, scores[1]]));
    for (const stream of streams) {
      t.ok(stream.isOpen);
      t.same([...stream.disorder, ...stream.falls], []);
    }
  };
  return { a, b, ada, bob, score, shows, checkRecovery };
}

t.test('an older copy of Redis is put in place, without a connection that breaks', async (t) => {
  const server = await RedisServer.start(t);
  const { a, b, ada, bob, score, shows, checkRecovery } = await startTwo(t, single(server.url));
  const admin = await connectTestRedis(t, server.url);
  for (const key of await admin.keys('*')) await admin.call('COPY', key, key, 'DB', '1');
  await score(ada, a);
  await score(ada, b);
  await score(bob, b);
  await eventually(() => shows([1_000, 750]));
  await admin.call('SWAPDB', 0, 1);
  await checkRecovery([1_000, 750]);
});

t.test(
  'a board falls back by its last change alone, and the next change makes it as new as before',
  async (t) => {
    const server = await RedisServer.start(t);
    const { b, ada, score, shows, checkRecovery } = await startTwo(t, single(server.url));
    const admin = await connectTestRedis(t, server.url);
    const copies = BOARD_KEYS.map((key) => `copy of ${key}`);
    for (const [i, key] of BOARD_KEYS.entries()) await admin.call('COPY', key, copies[i] ?? '');
    await score(ada, b);
    await eventually(() => shows([750, 500]));
    await admin.multi(BOARD_KEYS.map((key, i) => ['rename', copies[i] ?? '', key])).exec();
    await checkRecovery([750, 500]);
  },
);

t.test('without a read or a write Redis is right again: the writer looks after its change', async (t) => {
  const server = await RedisServer.start(t);
  const { a, b, ada, score } = await startTwo(t, single(server.url));
  const admin = await connectTestRedis(t, server.url);
  for (const key of await admin.keys('*')) await admin.call('COPY', key, key, 'DB', '1');
  await score(ada, b);
  await admin.call('SWAPDB', 0, 1);
  await redisAgrees(t, openPool(t, a.config.DATABASE_URL), a.app.redis);
});

t.test('a replica that lags takes over a node of a Redis Cluster', async (t) => {
  const servers = await startRedisCluster(t);
  const replicas = await addReplicas(t, servers);
  const { a, b, ada, bob, score, shows, checkRecovery } = await startTwo(t, cluster(servers.url));
  const slot = await a.app.redis.cluster('KEYSLOT', BOARD_KEYS[0] ?? '');
  const index = Math.floor((slot * 3) / 16_384);
  const [master, replica] = [servers.nodes[index], replicas[index]];
  assert(master !== undefined && replica !== undefined);
  const [admin, taking] = [new Redis(master.url), new Redis(replica.url)];
  t.teardown(() => [admin, taking].map((client) => client.disconnect()));
  // The replica loses its master, and may not follow it again.
  await admin.acl('SETUSER', 'default', '-psync', '-sync');
  await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
  await score(ada, a);
  await score(bob, b);
  await score(ada, b);
  await eventually(() => shows([1_000, 750]));
  await taking.readonly();
  const versions = [admin, taking].map(async (node) =>
    Number(await node.hget(BOARD_KEYS[1] ?? '', '~version')),
  );
  const [now = 0, then = 0] = await Promise.all(versions);
  t.ok(then > 0 && then < now, `the replica is at version ${then} of ${now}`);
  await taking.call('CLUSTER', 'FAILOVER', 'TAKEOVER');
  await checkRecovery([1_000, 750]);
});

t.test('whatever is in the place of a key, the board comes back', async (t) => {
  const server = await RedisServer.start(t);
  const { a, checkRecovery } = await startTwo(t, single(server.url));
  const admin = await connectTestRedis(t, server.url);
  const { tombstones, changes } = keysOf(GLOBAL);
  let scores: [number, number] = [500, 500];
  const all = [...BOARD_KEYS, tombstones, changes, 'scoreboard:sentinel'];
  for (const key of all) {
    await admin.call('SET', key, 'something else');
    await a.api.get('/v1/leaderboards/global/entries');
    await checkRecovery(scores);
    scores = [scores[0] + 500, scores[1]];
  }
  for (const version of ['not a number', '9007199254740993']) {
    await admin.hset(BOARD_KEYS[1] ?? '', '~version', version);
    await a.api.get('/v1/leaderboards/global/entries');
    await checkRecovery(scores);
    scores = [scores[0] + 500, scores[1]];
  }
  const replaced = all.flatMap((key) => [
    ['unlink', key],
    ['lpush', key, 'a list'],
  ]);
  await admin.multi(replaced).exec();
  await checkRecovery(scores);
});
