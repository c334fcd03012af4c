import assert from 'node:assert/strict';
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

/** What one instance does shows on another within a second; on a loaded machine some more. */
const AT_ONCE_MS = 1_500;
/** A connection that was refused is tried again after two seconds at most. */
const HEALED_MS = 5_000;

/** Two instances, of which the second reaches PostgreSQL by a way that can be closed. */
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
  return { one, two, api, proxy, pool, score, ...accounts, there: api.at(two.url) };
}

type Setting = Awaited<ReturnType<typeof open>>;

/** Changes of every kind on the first instance. @returns what the second one must then show */
async function changeEverything({ api, there, admin, score }: Setting, stream: BoardStream, round: number) {
  const [ada, bob, eve] = [
    await newPlayer(api, 'Ada'),
    await newPlayer(api, 'Bob'),
    await newPlayer(api, 'Eve'),
  ];
  const answer = await api.post('/v1/auth/refresh', { refreshToken: bob.session.refreshToken });
  const { refreshToken } = answer.is(200, Session);
  for (const { id } of [ada, bob, eve]) await score(id);
  const all = [ada.id, bob.id, eve.id];
  const displayed = async () => {
    const { items } = (await there.get('/v1/leaderboards/global/entries?limit=100')).is(200, Entries);
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
          const logout = await there.as(ada.session.accessToken).get('/v1/users/me');
          logout.fails('unauthenticated');
          const reuse = await there.as(bob.session.accessToken).get('/v1/users/me');
          reuse.fails('unauthenticated');
          (await there.post('/v1/auth/refresh', { refreshToken })).fails('refresh-token-invalid');
        }, ceilingMs),
        eventually(async () => {
          const { items } = (await there.get('/v1/actions')).is(200, Actions);
          assert(items.some(({ id }) => id === `go-${round}`));
          (await there.get(`/v1/leaderboards/round-${round}/entries`)).is(200, Entries);
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
  const { two, api, proxy, pool, score, there } = setting;
  const stream = await BoardStream.open(t, two.url);

  let round = await changeEverything(setting, stream, 1);
  await round.arrives(round.before, AT_ONCE_MS);
  const start = performance.now();
  await round.change();
  await round.changed(AT_ONCE_MS);
  t.pass(`changes of every kind show on the other instance: ${Math.round(performance.now() - start)} ms`);

  // Both hear nothing of one another, and the second cannot listen again before everything has happened.
  round = await changeEverything(setting, stream, 2);
  await round.arrives(round.before, AT_ONCE_MS);
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
  const healed = performance.now();
  await round.changed(HEALED_MS);
  t.pass(
    `and after the channels were cut: ${Math.round(performance.now() - healed)} ms after they were back`,
  );
  for (const client of clients) client.disconnect();

  if (mode.REDIS_MODE !== 'off') {
    // Redis is there, and its messages do not arrive.
    await two.app.redisSubscriber.unsubscribe('scoreboard:boards');
    const lea = await newPlayer(api, 'Lea');
    await score(lea.id);
    await eventually(async () => {
      assert(stream.board?.items.some(({ userId }) => userId === lea.id));
      const { items } = (await there.get('/v1/leaderboards/global/entries')).is(200, Entries);
      assert(items.some(({ userId }) => userId === lea.id));
    }, AT_ONCE_MS);
    t.pass('and what a lost message would have told');
  }
  t.ok(stream.isOpen, 'on a stream that was open all the time');
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
