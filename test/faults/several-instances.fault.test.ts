import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { Actions } from '../../schemas/action.js';
import { Entries } from '../../schemas/leaderboard.js';
import { Session } from '../../schemas/session.js';
import { User } from '../../schemas/user.js';
import type { AppConfig } from '../../src/config.js';
import { Api, documentOf, eventually, newPlayer, serviceApi } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { RedisServer, startRedisCluster } from '../redis-server.js';
import { BoardStream } from './board-stream.js';
import { PostgresProxy } from './proxy.js';

type Mode = Pick<AppConfig, 'REDIS_MODE'> & { REDIS_URL?: string };

/** Changes of one instance show on another within a second; a machine that has much else to do takes some more. */
const SOON_MS = 10_000;
/** A refused connection is retried after at most two seconds. */
const RECOVERED_MS = 20_000;

/** Two instances; the second one connects to PostgreSQL through a proxy. */
async function open(t: Test, mode: Mode) {
  const databaseUrl = await buildTestDatabase(t);
  const proxy = await PostgresProxy.open(t, Number(new URL(databaseUrl).port));
  const one = await buildTestApp(t, { DATABASE_URL: databaseUrl, ...mode });
  const two = await buildTestApp(t, { DATABASE_URL: proxy.via(databaseUrl), ...mode });
  const api = new Api(one.url, documentOf(one));
  const pool = openPool(t, databaseUrl);
  const accounts = {
    server: await serviceApi({ ...one, api }, 'server'),
    admin: await serviceApi({ ...one, api }, 'admin'),
  };
  const score = async (userId: string) =>
    assert.equal((await accounts.server.post('/v1/scores', { actionToken: mint(userId) })).status, 200);
  return { one, two, api, proxy, pool, score, ...accounts, other: api.at(two.url) };
}

type Setting = Awaited<ReturnType<typeof open>>;

/** Prepares changes of every kind on the first instance, and checks of what the second one shows after them. */
async function changeEverything({ api, other, admin, score }: Setting, stream: BoardStream, round: number) {
  const [ada, bob, eve] = [
    await newPlayer(api, 'Ada'),
    await newPlayer(api, 'Bob'),
    await newPlayer(api, 'Eve'),
  ];
  let { refreshToken } = bob.session;
  for (let n = 0; n < 2; n++)
    ({ refreshToken } = (await api.post('/v1/auth/refresh', { refreshToken })).is(200, Session));
  for (const { id } of [ada, bob, eve]) await score(id);
  const all = [ada.id, bob.id, eve.id];
  const displayed = async () => {
    const { items } = (await other.get('/v1/leaderboards/global/entries?limit=100')).is(200, Entries);
    return items
      .filter(({ userId }) => all.includes(userId))
      .map(({ displayName, score }) => ({ displayName, score }));
  };
  const streamed = () =>
    stream.board?.items
      .filter(({ userId }) => all.includes(userId))
      .map(({ displayName, score }) => ({ displayName, score }));
  const arrives = async (expected: object[], ceilingMs: number) =>
    eventually(async () => {
      assert.deepEqual(await displayed(), expected);
      assert.deepEqual(streamed(), expected);
    }, ceilingMs);
  return {
    arrives,
    change: async () => {
      await score(bob.id);
      (await ada.api.patch('/v1/users/me', { displayName: 'Countess' })).is(200, User);
      (await eve.api.delete('/v1/users/me')).isEmpty(204);
      (await ada.api.post('/v1/auth/logout')).isEmpty(204);
      (await api.post('/v1/auth/refresh', { refreshToken: bob.session.refreshToken })).fails(
        'refresh-token-reused',
      );
      const board = { title: `Round ${round}`, sort: 'asc', operator: 'best' };
      assert.equal((await admin.put(`/v1/admin/leaderboards/round-${round}`, board)).status, 200);
      const action = {
        title: 'Go',
        points: { min: 1, max: 1 },
        leaderboards: [`round-${round}`],
        issuer: 'player',
      };
      const put = await admin.put(`/v1/admin/actions/go-${round}`, { ...action, minDurationMs: 0 });
      assert.equal(put.status, 200);
    },
    changed: (ceilingMs: number) =>
      Promise.all([
        arrives(
          [
            { displayName: 'Bob', score: 500 },
            { displayName: 'Countess', score: 250 },
          ],
          ceilingMs,
        ),
        eventually(async () => {
          const logout = await other.as(ada.session.accessToken).get('/v1/users/me');
          logout.fails('unauthenticated');
          const reuse = await other.as(bob.session.accessToken).get('/v1/users/me');
          reuse.fails('unauthenticated');
          (await other.post('/v1/auth/refresh', { refreshToken })).fails('refresh-token-invalid');
        }, ceilingMs),
        eventually(async () => {
          const { items } = (await other.get('/v1/actions')).is(200, Actions);
          assert(items.some(({ id }) => id === `go-${round}`));
          (await other.get(`/v1/leaderboards/round-${round}/entries`)).is(200, Entries);
        }, ceilingMs),
      ]),
    before: [
      { displayName: 'Ada', score: 250 },
      { displayName: 'Bob', score: 250 },
      { displayName: 'Eve', score: 250 },
    ],
  };
}

async function instancesAgree(t: Test, mode: Mode, redis: readonly RedisServer[]): Promise<void> {
  const setting = await open(t, mode);
  const { two, api, proxy, pool, score, other } = setting;
  const stream = await BoardStream.open(t, two.url);

  let round = await changeEverything(setting, stream, 1);
  await round.arrives(round.before, SOON_MS);
  const start = performance.now();
  await round.change();
  await round.changed(SOON_MS);
  t.pass(
    `changes of every kind show on the other instance after ${Math.round(performance.now() - start)} ms`,
  );

  // The instances receive nothing from each other, and the second cannot listen again before all changes are made.
  round = await changeEverything(setting, stream, 2);
  await round.arrives(round.before, SOON_MS);
  const { target } = proxy;
  proxy.target = null;
  await pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'scoreboard-api changes' AND datname = current_database()`,
  );
  const clients = redis.map(({ url }) => new Redis(url));
  for (const client of clients) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await round.change();
  proxy.target = target;
  const restored = performance.now();
  await round.changed(RECOVERED_MS);
  t.pass(
    `changes that were missed show ${Math.round(performance.now() - restored)} ms after the channels are back`,
  );
  for (const client of clients) client.disconnect();

  if (mode.REDIS_MODE !== 'off') {
    // Redis is up, but its messages do not arrive.
    if (two.app.redisSubscriber.status !== 'ready') await once(two.app.redisSubscriber, 'ready');
    await two.app.redisSubscriber.unsubscribe('scoreboard:boards');
    const lea = await newPlayer(api, 'Lea');
    await score(lea.id);
    await eventually(async () => {
      assert(stream.board?.items.some(({ userId }) => userId === lea.id));
      const { items } = (await other.get('/v1/leaderboards/global/entries')).is(200, Entries);
      assert(items.some(({ userId }) => userId === lea.id));
    }, SOON_MS);
    t.pass('a change whose message was lost shows as well');
  }
  t.ok(stream.isOpen, 'the stream stayed open');
  t.same(stream.disorder, []);
}

t.test('two instances on PostgreSQL alone', (t) => instancesAgree(t, { REDIS_MODE: 'off' }, []));

t.test('two instances with Redis', async (t) => {
  const redis = await RedisServer.start(t);
  await instancesAgree(t, { REDIS_MODE: 'single', REDIS_URL: redis.url }, [redis]);
});

t.test('two instances with a Redis Cluster', async (t) => {
  const { nodes, url } = await startRedisCluster(t);
  await instancesAgree(t, { REDIS_MODE: 'cluster', REDIS_URL: url }, nodes);
});
