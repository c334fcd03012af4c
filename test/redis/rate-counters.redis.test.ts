import t from 'tap';
import { Leaderboards } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { LoginAttempts } from '../../src/access/login-attempts.js';
import { FREE_TRIES, LoginTries } from '../../src/access/login-tries.js';
import { RateCounters } from '../../src/redis/rate-counters.js';
import { WindowCounters } from '../../src/redis/window-counters.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { mint } from '../mint.js';
import { RedisMonitor } from '../redis-monitor.js';
import { connectTestRedis, RedisServer, startRedisCluster } from '../redis-server.js';

t.test('all instances count together, in Redis or a cluster of them', async (t) => {
  const { url: cluster } = await startRedisCluster(t);
  for (const [mode, url] of [
    ['single', (await RedisServer.start(t)).url],
    ['cluster', cluster],
  ] as const) {
    const one = new RateCounters(await connectTestRedis(t, url, mode), new WindowCounters());
    const two = new RateCounters(await connectTestRedis(t, url, mode), new WindowCounters());
    // Keys for all nodes, among them what could be taken for a hash tag.
    for (const key of ['192.0.2.1', '2001:db8::1', 'usr_a', '{b}', 'c}', 'd', 'e', '']) {
      const first = await one.increment(key, 60_000);
      t.equal(first.current, 1, key);
      t.ok(first.ttl > 59_000 && first.ttl <= 60_000, key);
      const second = await two.increment(key, 60_000);
      t.equal(second.current, 2, key);
      t.ok(second.ttl <= first.ttl, 'what comes later does not make the window longer');
    }
    const counts = await Promise.all(
      Array.from({ length: 200 }, (_, i) => (i % 2 ? one : two).increment('many', 60_000)),
    );
    t.same(
      counts.map(({ current }) => current).sort((a, b) => a - b),
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
  }
});

t.test('whatever is in the place of a key, all instances count anew', async (t) => {
  const redis = await connectTestRedis(t, (await RedisServer.start(t)).url);
  const [one, two] = [
    new RateCounters(redis, new WindowCounters()),
    new RateCounters(redis, new WindowCounters()),
  ];
  const attempts = [one, two].map((counters) => new LoginAttempts(counters, new LoginTries()));
  const begin = async (i: number) => attempts[i % 2]?.begin('ada', '192.0.2.1');
  await one.increment('key', 60_000);
  await begin(0);
  for (const spoil of [
    (key: string) => redis.set(key, 'something else'),
    (key: string) => redis.multi().unlink(key).lpush(key, 'a list').exec(),
  ]) {
    const keys = await redis.keys('*');
    t.equal(keys.length, 2);
    for (const key of keys) await spoil(key);
    t.equal((await one.increment('key', 60_000)).current, 1);
    t.equal((await two.increment('key', 60_000)).current, 2);
    for (let i = 0; i < FREE_TRIES; i++) await begin(i);
    await t.rejects(begin(FREE_TRIES), { code: 'rate-limited' });
  }
  const [key = ''] = await redis.keys('*:key');
  t.equal(await redis.persist(key), 1);
  t.ok((await one.increment('key', 60_000)).ttl > 0, 'one that would never expire does');
});

t.test('what is counted in one turn of the event loop goes to Redis as one command', async (t) => {
  const { url } = await RedisServer.start(t);
  const counters = new RateCounters(await connectTestRedis(t, url), new WindowCounters());
  const monitor = await RedisMonitor.open(t, url);
  // Twelve of each.
  const keys = Array.from({ length: 60 }, (_, i) => `usr_${i % 5}`);
  const inOneTurn = () => Promise.all(keys.map((key) => counters.increment(key, 60_000)));
  for (const turns of [0, 1, 2]) {
    await monitor.forget();
    const counts = await inOneTurn();
    t.same(
      counts.map(({ current }) => current),
      keys.map((_, i) => 12 * turns + Math.floor(i / 5) + 1),
      'each has a number of its own, in the order of the requests',
    );
    await monitor.catchUp();
    t.equal(monitor.commands.length, 1);
  }
});

t.test('after the window a count starts anew, in Redis as in a process', async (t) => {
  const redis = await connectTestRedis(t, (await RedisServer.start(t)).url);
  const own = new WindowCounters();
  for (const counters of [new RateCounters(redis, own), new RateCounters(null, own)]) {
    let last = { current: 0, ttl: Number.POSITIVE_INFINITY };
    for (let expected = 1; expected <= 10; expected++) {
      const count = await counters.increment('key', 300);
      t.ok(count.ttl <= 300);
      if (count.current < expected) t.ok(count.ttl >= last.ttl, 'sooner only in a new window');
      else t.equal(count.current, expected);
      last = count;
      if (count.current < expected) break;
    }
    // Though it is asked all the time.
    await eventually(async () => {
      const { current } = await counters.increment('key', 300);
      if (current !== 1) throw new Error(`still ${current}`);
    });
  }
});

t.test('without Redis reads are not refused; logins and scores are counted by each instance', async (t) => {
  const server = await RedisServer.start(t);
  const options = {
    DATABASE_URL: await buildTestDatabase(t),
    REDIS_MODE: 'single' as const,
    REDIS_URL: server.url,
    RATE_LIMIT_READ: 8,
    RATE_LIMIT_AUTH: 4,
    RATE_LIMIT_SCORE_UPDATE: 3,
    // Longer than this takes on any machine.
    RATE_LIMIT_WINDOW_MS: 600_000,
  };
  const [one, two] = [await startApi(t, options), await startApi(t, options)];
  const ada = await newPlayer(one.api);
  const apis = [ada.api, ada.api.at(two.url)] as const;
  const read = (i: number) => apis[i % 2 === 0 ? 0 : 1].get('/v1/leaderboards');
  // Always of another account, each of which is counted too.
  let guess = 0;
  const login = (i: number) =>
    apis[i % 2 === 0 ? 0 : 1].post('/v1/auth/login', { username: `nobody${guess++}`, password: 'a guess' });
  const score = (i: number) => apis[i % 2 === 0 ? 0 : 1].post('/v1/scores', { actionToken: mint(ada.id) });

  // With Redis the two are as one.
  for (let i = 0; i < 8; i++) (await read(i)).is(200, Leaderboards);
  for (let i = 0; i < 2; i++) (await read(i)).fails('rate-limited');
  for (let i = 0; i < 3; i++) (await login(i)).fails('invalid-credentials');
  for (let i = 0; i < 2; i++) (await login(i)).fails('rate-limited');
  for (let i = 0; i < 3; i++) (await score(i)).is(200, Receipt);
  for (let i = 0; i < 2; i++) (await score(i)).fails('rate-limited');

  await server.kill();
  for (let i = 0; i < 20; i++) (await read(i)).is(200, Leaderboards);
  for (let i = 0; i < 8; i++) (await login(i)).fails('invalid-credentials');
  for (let i = 0; i < 2; i++) (await login(i)).fails('rate-limited');
  for (let i = 0; i < 6; i++) (await score(i)).is(200, Receipt);
  for (let i = 0; i < 2; i++) (await score(i)).fails('rate-limited');

  await server.restartEmpty();
  await eventually(async () => {
    for (let i = 0; i < 16; i++) if ((await read(i)).status === 429) return;
    throw new Error('Reads are not counted yet');
  });
  t.pass('with Redis they are counted together again');
});
