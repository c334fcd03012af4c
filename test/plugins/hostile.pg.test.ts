import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { buildApp } from '../../src/app.js';
import { newPlayer, serviceApi, startApi } from '../api.js';
import { buildTestDatabase, testConfig } from '../helper.js';
import { openSocket } from '../raw-http.js';

t.test('metadata that is nested deeper than the stack is too long, not our fault', async (t) => {
  const { api } = await startApi(t);
  const { session } = await newPlayer(api);
  for (const depth of [3_000, 7_500]) {
    const nested = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const answer = await api.as(session.accessToken).send('POST', '/v1/scores', {
      body: `{"actionToken":"x","metadata":${nested}}`,
      headers: { 'content-type': 'application/json' },
    });
    t.equal(answer.status, 400, `${depth} levels`);
  }
});

t.test('paths that lead out of the docs lead nowhere', async (t) => {
  const { url } = await startApi(t);
  for (const path of ['/docs/static/%2e%2e/%2e%2e/package.json', '/docs/static/%00']) {
    const response = await fetch(url + path);
    t.equal(response.status, 404, path);
    t.match(await response.json(), { code: 'not-found' });
  }
});

t.test('a request with thousands of faults gets a short answer', async (t) => {
  const { url } = await startApi(t);
  const response = await fetch(`${url}/v1/auth/guest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(Array.from({ length: 1_500 }, (_, i) => [`q${i}`, 1]))),
  });
  t.equal(response.status, 400);
  t.ok((await response.text()).length < 5_000);
});

t.test('garbage on a connection ends it, though the client keeps its side open', async (t) => {
  const { url } = await startApi(t);
  const { port } = new URL(url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('GARBAGE\r\n\r\n');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text;
  });
  await once(socket, 'end');
  t.match(answer, /^HTTP\/1\.1 400 /);
  // Whoever still writes is told that nobody is there any more.
  socket.on('error', () => {});
  const refused = new Promise((resolve) => socket.once('close', resolve));
  const writing = setInterval(() => socket.write('more'), 20);
  await refused;
  clearInterval(writing);
});

t.test(
  'a connection that is reset leaves no error in the log, nor does a stream that is refused',
  async (t) => {
    const lines: string[] = [];
    const config = testConfig(await buildTestDatabase(t), { LOG_LEVEL: 'error', SSE_MAX_CONNECTIONS: 1 });
    const app = await buildApp(config);
    t.teardown(() => app.close());
    app.log.error = (...words: unknown[]) => void lines.push(JSON.stringify(words));
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    for (let i = 0; i < 50; i++) {
      const socket = await openSocket(url);
      socket.write('GET /v1/leaderboards/global/stream HTTP/1.1\r\nHost: x\r\n\r\n');
      socket.resetAndDestroy();
    }
    t.equal((await fetch(`${url}/health/live`)).status, 200);
    t.same(lines, []);
  },
);

t.test('a game server is not held to the limit on reads, a player is', async (t) => {
  const service = await startApi(t, { RATE_LIMIT_READ: 3 });
  const server = await serviceApi(service, 'server');
  const player = await newPlayer(service.api);
  for (let i = 0; i < 6; i++) {
    const answer = await server.post('/v1/action-tokens', { action: 'win-match', userId: player.id });
    t.equal(answer.status, 201);
  }
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) {
    statuses.push((await player.api.post('/v1/action-tokens', { action: 'collect-coin' })).status);
  }
  t.ok(statuses.includes(429), String(statuses));
});

t.test('a session that is opened while its user is erased does not outlive the user', async (t) => {
  const { api, app } = await startApi(t);
  const player = await newPlayer(api);
  const user = await app.users.get(player.id);
  const client = await app.pg.pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [user.id]);
  const opening = t.rejects(app.logins.open(user), { code: 'not-found' });
  await client.query('UPDATE users SET erased_at = now() WHERE id = uuid_of($1)', [user.id]);
  await client.query('COMMIT');
  client.release();
  await opening;
});
