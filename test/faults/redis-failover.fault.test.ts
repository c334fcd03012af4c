import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import t from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { Health } from '../../schemas/service.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { mint } from '../mint.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';

t.test(
  'after a failover behind one address the service leaves the old master, and the board recovers',
  async (t) => {
    const [old, fresh] = [await RedisServer.start(t), await RedisServer.start(t)];
    let target = old;
    const address = createServer((client) => {
      const server = connect(Number(new URL(target.url).port), '127.0.0.1');
      client.pipe(server).pipe(client);
      for (const socket of [client, server]) socket.on('error', () => client.destroy());
      client.on('close', () => server.destroy());
      t.teardown(() => client.destroy());
    }).listen(0, '127.0.0.1');
    await once(address, 'listening');
    t.teardown(() => address.close());
    const listening = address.address();
    const port = listening !== null && typeof listening === 'object' ? listening.port : 0;
    const { api } = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: `redis://127.0.0.1:${port}` });
    const player = await newPlayer(api);
    const score = () =>
      api.as(player.session.accessToken).post('/v1/scores', { actionToken: mint(player.id) });
    t.equal((await score()).status, 200);

    // Open connections still lead to the old master, new ones to the new master.
    target = fresh;
    const admin = await connectTestRedis(t, old.url);
    await admin.replicaof('127.0.0.1', new URL(fresh.url).port);
    t.equal((await score()).status, 200, 'a score does not fail because Redis rejects its write');
    t.equal((await api.get('/v1/leaderboards/global/entries')).is(200, Entries).items[0]?.score, 500);
    const promoted = await connectTestRedis(t, fresh.url);
    await eventually(async () => {
      (await api.get('/health')).is(200, Health);
      assert.equal(await promoted.zcard('scoreboard:{global:1}:rank'), 2, 'the entry and the sentinel');
      const clients = await admin.client('LIST');
      assert.doesNotMatch(String(clients), /cmd=(evalsha|eval)/, 'no script runs on the old master any more');
    });
    t.equal((await score()).status, 200);
    t.equal((await api.get('/v1/leaderboards/global/entries')).is(200, Entries).items[0]?.score, 750);
  },
);

t.test('of several instances, one reconciles in each interval', async (t) => {
  const redis = await RedisServer.start(t);
  const first = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: redis.url, REDIS_SYNC_INTERVAL: 1_000 });
  await startApi(t, {
    DATABASE_URL: first.config.DATABASE_URL,
    REDIS_MODE: 'single',
    REDIS_URL: redis.url,
    REDIS_SYNC_INTERVAL: 1_000,
  });
  const player = await newPlayer(first.api);
  await first.api.as(player.session.accessToken).post('/v1/scores', { actionToken: mint(player.id) });
  const admin = await connectTestRedis(t, redis.url);
  const turn = 'scoreboard:{global:1}:reconciled';
  await eventually(async () => {
    assert.equal(await admin.get(turn), '1');
  });
  // The next reconciliation repairs an entry that was changed in Redis alone.
  const [member = ''] = await admin.zrange('scoreboard:{global:1}:rank', '0', '0');
  await admin.zadd('scoreboard:{global:1}:rank', '-9000', String(member));
  await eventually(async () => {
    assert.equal(await admin.zscore('scoreboard:{global:1}:rank', String(member)), '-250');
  });
  const left = await admin.pttl(turn);
  t.ok(left <= 900, 'the turn lasts for most of the interval');
});
