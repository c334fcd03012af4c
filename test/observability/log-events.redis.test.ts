import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Faults } from '../../src/observability/faults.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase } from '../helper.js';
import { LogLines } from '../log-lines.js';
import { mint } from '../mint.js';
import { exchange } from '../raw-http.js';
import { RedisServer } from '../redis-server.js';
import { runQuery } from './cloudwatch.js';

/** Both to the letter as operators have saved them. Source: the deployment specification. */
const FIND_SCORE_UPDATE_FAILURES = `fields @timestamp, @message
| filter level = "error" and message like /score/
| sort @timestamp desc
| limit 100`;
const TRACK_ACTION_TOKEN_REJECTIONS = `fields @timestamp, userId, @message
| filter level = "warn" and message like /token/
| stats count() by userId
| sort count desc`;

t.test('every request is two lines, whatever becomes of it', async (t) => {
  const lines = new LogLines();
  const { api, url } = await startApi(t, { LOG_LEVEL: 'info' }, lines);
  const { requestId: ofScore, api: player, id } = await scored(await newPlayer(api));
  await player.get('/v1/leaderboards?secret=in-a-query');
  await api.get('/nowhere/secret-in-a-path');
  await exchange(url, 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await exchange(url, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n');
  await eventually(async () => {
    assert.equal(lines.of('Request completed').length, 7);
  });
  const received = lines.of('Request received');
  t.equal(received.length, 7);
  const completed = lines.of('Request completed');
  t.same(
    new Set(completed.map(({ requestId }) => requestId)),
    new Set(received.map(({ requestId }) => requestId)),
  );
  t.ok([...received, ...completed].every(({ level }) => level === 'info'));
  t.same(
    completed.map(({ data }) => [data?.['method'], data?.['path'], data?.['status']]),
    [
      ['POST', '/v1/auth/guest', 201],
      ['POST', '/v1/scores', 200],
      ['GET', '/v1/leaderboards', 200],
      ['GET', 'unknown', 404],
      ['GET', 'unknown', 400],
      ['GET', '/', 400],
    ].toSpliced(1, 0, ['POST', '/v1/action-tokens', 201]),
  );
  t.notMatch(lines.text, /secret/);

  const [updated] = lines.of('Score updated');
  t.match(updated, { level: 'info', requestId: ofScore, userId: id, data: { newScore: 10, points: 10 } });
});

t.test(
  'a client that leaves before its answer, and one that leaves a stream, are completed too',
  async (t) => {
    const lines = new LogLines();
    const { url } = await startApi(t, { LOG_LEVEL: 'info' }, lines);
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('GET /v1/leaderboards/global/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    t.same(lines.of('Request completed'), []);
    socket.destroy();
    const line = await lines.first('Request completed');
    t.match(line.data, { path: '/v1/leaderboards/:id/stream', status: 200 });

    const early = connect(Number(port), '127.0.0.1');
    const body =
      'POST /v1/auth/guest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{';
    early.write(body);
    await eventually(async () => {
      assert.equal(lines.of('Request received').length, 2);
    });
    early.destroy();
    await eventually(async () => {
      assert.equal(lines.of('Request completed')[1]?.data?.['status'], 499);
    });
  },
);

t.test('refusals are warnings, with a message that stays', async (t) => {
  const lines = new LogLines();
  const { api } = await startApi(t, { LOG_LEVEL: 'info', RATE_LIMIT_READ: 3 }, lines);
  const ada = await newPlayer(api);
  const bob = await newPlayer(api);
  (await api.get('/v1/users/me')).fails('unauthenticated');
  (await api.post('/v1/auth/login', { username: 'nobody', password: 'wrong password' })).fails(
    'invalid-credentials',
  );
  const once = mint(ada.id);
  (await ada.api.post('/v1/scores', { actionToken: once })).is(200, Receipt);
  for (const actionToken of [
    once,
    mint(ada.id, { exp: 1 }),
    'garbage',
    mint(bob.id),
    mint(ada.id, { nbf: Date.now() / 1000 + 60 }),
  ]) {
    (await ada.api.post('/v1/scores', { actionToken })).problem();
  }
  for (let i = 0; i < 5; i++) await api.get('/v1/leaderboards');
  await eventually(async () => {
    assert(lines.of('Rate limit hit').length > 0);
  });
  t.same(
    lines.of('Auth failed').map(({ level, data }) => [level, data?.['code'], data?.['path']]),
    [
      ['warn', 'unauthenticated', '/v1/users/me'],
      ['warn', 'invalid-credentials', '/v1/auth/login'],
    ],
  );
  const rejected = lines.of('Action token rejected');
  t.same(
    rejected.map(({ data }) => data?.['code']),
    [
      'action-token-replayed',
      'action-token-expired',
      'action-token-invalid',
      'action-token-user-mismatch',
      'action-token-premature',
    ],
  );
  t.ok(rejected.every(({ level, userId }) => level === 'warn' && userId === ada.id));
  t.ok(lines.of('Rate limit hit').every(({ level }) => level === 'warn'));
  t.same(lines.of('Rate limit hit')[0]?.data?.['path'], '/v1/leaderboards');
  t.same(runQuery(TRACK_ACTION_TOKEN_REJECTIONS, lines.all), [{ userId: ada.id, count: 5 }]);
  t.same(runQuery(FIND_SCORE_UPDATE_FAILURES, lines.all), []);
});

t.test(
  'a database that fails is one line a second with a count; each score that failed has a line',
  async (t) => {
    const lines = new LogLines();
    const databaseUrl = await buildTestDatabase(t);
    const proxy = await PostgresProxy.open(t, Number(new URL(databaseUrl).port));
    const { api } = await startApi(t, { DATABASE_URL: proxy.via(databaseUrl), LOG_LEVEL: 'info' }, lines);
    const [ada, bob] = [await newPlayer(api), await newPlayer(api)];
    proxy.target = null;
    proxy.cut();
    const start = performance.now();
    const lost = [ada, bob, ada].map((player) =>
      player.api.post('/v1/scores', { actionToken: mint(player.id) }),
    );
    for (let i = 0; i < 300; i++) (await api.post('/v1/auth/guest', {})).fails('service-unavailable');
    const failed = await Promise.all(lost);
    for (const answer of failed) answer.fails('service-unavailable');
    const seconds = (performance.now() - start) / 1000;

    const errors = lines.of('Database error');
    t.ok(errors.every(({ level }) => level === 'error'));
    t.ok(errors.length <= seconds + 2, `${errors.length} lines in ${seconds.toFixed(1)} s`);
    await eventually(async () => {
      const counted = lines.of('Database error').reduce((sum, { data }) => sum + Number(data?.['count']), 0);
      assert(counted >= 300, `${counted} faults were counted`);
    });
    t.match(errors[0]?.data, { doing: String, error: { type: String, message: String, stack: String } });

    const found = runQuery(FIND_SCORE_UPDATE_FAILURES, lines.all);
    t.same(new Set(found.map(({ message }) => message)), new Set(['Failed to update score']));
    t.same(
      new Set(found.map(({ requestId }) => requestId)),
      new Set(failed.map(({ headers }) => headers.get('x-request-id'))),
    );
    t.same(found.map(({ userId }) => userId).sort(), [ada.id, ada.id, bob.id].sort());
  },
);

t.test('Redis that goes is an error, and not one for each try to reach it', async (t) => {
  const redis = await RedisServer.start(t);
  const lines = new LogLines();
  const { api } = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: redis.url, LOG_LEVEL: 'info' }, lines);
  t.same(lines.of('Redis error'), []);
  await redis.kill();
  const start = performance.now();
  assert.equal((await lines.first('Redis error')).level, 'error');
  for (let i = 0; i < 50; i++) await api.get('/v1/leaderboards/global/entries');
  const seconds = (performance.now() - start) / 1000;
  assert(lines.of('Redis error').length <= seconds + 2);
});

t.test('what nobody has foreseen is logged whole, and answered without a word of it', async (t) => {
  const lines = new LogLines();
  const { app, api } = await startApi(t, { LOG_LEVEL: 'info' }, lines);
  app.catalog.leaderboard = () => {
    throw new Error('something deep inside', { cause: new RangeError('deeper still') });
  };
  const answer = await api.get('/v1/leaderboards/global');
  t.notMatch(JSON.stringify(answer.fails('internal-error')), /deep/);
  const line = await lines.first('Unhandled exception');
  t.match(line, {
    level: 'error',
    requestId: answer.headers.get('x-request-id'),
    data: { error: { type: 'Error', message: 'something deep inside', stack: /log-events/ } },
  });
  t.match(line.data?.['error'], { cause: { type: 'RangeError', message: 'deeper still' } });
});

t.test('faults of two kinds do not hide one another, and none is left uncounted', (t) => {
  const seen: [string, number][] = [];
  const faults = new Faults(({ data }, event) => seen.push([event, data.count]));
  for (let i = 0; i < 10; i++) faults.database(new Error('connect ECONNREFUSED'), 'testing');
  for (let i = 0; i < 5; i++) faults.either(new Error('ERR something of Redis'), 'testing');
  t.same(seen, [
    ['Database error', 1],
    ['Redis error', 1],
  ]);
  faults.close();
  t.same(seen.slice(2), [
    ['Database error', 9],
    ['Redis error', 4],
  ]);
  t.end();
});

/** One coin for the player, by way of a token that it got itself. */
async function scored(player: Awaited<ReturnType<typeof newPlayer>>) {
  const token = await player.api.post('/v1/action-tokens', { action: 'collect-coin' });
  const { actionToken } = Object(token.body);
  const answer = await player.api.post('/v1/scores', { actionToken });
  answer.is(200, Receipt);
  return { ...player, requestId: answer.headers.get('x-request-id') };
}
