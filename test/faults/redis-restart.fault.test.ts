import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from '../api.js';
import { RedisServer } from '../redis-server.js';
import { HalfOpenProxy } from './half-open-proxy.js';
import { single, underLoad } from './under-load.js';

t.test('Redis is killed and restarts empty', async (t) => {
  const redis = await RedisServer.start(t);
  await underLoad(t, single(redis.url), async ({ degraded }) => {
    await redis.kill();
    await degraded();
    await redis.restartEmpty();
  });
});

t.test('Redis is killed and restarts from its file', async (t) => {
  const redis = await RedisServer.start(t, { appendonly: 'yes', appendfsync: 'everysec' });
  await underLoad(t, single(redis.url), async ({ degraded }) => {
    await redis.kill();
    await degraded();
    await redis.restart();
  });
});

t.test('Redis evicts the boards', async (t) => {
  const redis = await RedisServer.start(t, { 'maxmemory-policy': 'allkeys-lru' });
  await underLoad(t, single(redis.url), async ({ redis: client, load, degraded }) => {
    const evicted = async () => Number(/evicted_keys:(\d+)/.exec(await client.info('stats'))?.[1]);
    for (let round = 0; round < 3; round++) {
      const before = await evicted();
      await client.config('SET', 'maxmemory', '1mb');
      await eventually(async () => assert((await evicted()) > before));
      await client.config('SET', 'maxmemory', '0');
      await load.more(50);
    }
    await client.config('SET', 'maxmemory', '1mb');
    await degraded();
    await client.config('SET', 'maxmemory', '0');
    t.comment(`${await evicted()} keys evicted`);
  });
});

t.test('the connections to Redis are half open', async (t) => {
  const redis = await RedisServer.start(t);
  const proxy = await HalfOpenProxy.open(t, redis.port);
  await underLoad(t, single(`redis://127.0.0.1:${proxy.port}`), async ({ degraded }) => {
    proxy.dropsBytes = true;
    await degraded();
    proxy.dropsBytes = false;
  });
});
