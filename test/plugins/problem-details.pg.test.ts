import t from 'tap';
import { Session } from '../../schemas/session.js';
import { PROBLEMS } from '../../src/errors.js';
import { newPlayer, serviceApi, startApi } from '../api.js';
import { mint, typeId } from '../mint.js';
import { exchange } from '../raw-http.js';

const service = await startApi(t);
const { api, app, url } = service;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const HOST = 'Host: x\r\nConnection: close\r\n';

t.test('what comes without a connection, as tests inject it, is served like any other', async (t) => {
  t.equal((await app.inject('/health/live')).statusCode, 200);
});

t.test('the catalogue is that of the contract', async (t) => {
  t.same(Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])), {
    'validation-failed': 400,
    'malformed-json': 400,
    unauthenticated: 401,
    'invalid-credentials': 401,
    'refresh-token-invalid': 401,
    'refresh-token-reused': 401,
    forbidden: 403,
    'action-token-invalid': 403,
    'action-token-expired': 403,
    'action-token-premature': 403,
    'action-token-user-mismatch': 403,
    'action-not-player-issuable': 403,
    'not-found': 404,
    'method-not-allowed': 405,
    'user-banned': 403,
    'name-locked': 403,
    'act-undone': 409,
    'act-not-undoable': 409,
    'username-taken': 409,
    'name-taken': 409,
    'leaderboard-in-use': 409,
    'action-in-use': 409,
    'board-frozen': 409,
    'action-token-replayed': 409,
    'event-archived': 409,
    'already-counted': 409,
    'webhook-disabled': 409,
    'too-many-webhooks': 409,
    'webhook-url-refused': 422,
    'file-refused': 422,
    'import-not-resumable': 409,
    'season-not-found': 404,
    'season-ended': 409,
    'season-changed': 409,
    'season-final': 409,
    'history-archived': 410,
    'season-purged': 410,
    'revision-changed': 412,
    'payload-too-large': 413,
    'unsupported-media-type': 415,
    'points-out-of-range': 422,
    'schedule-invalid': 422,
    'rate-limited': 429,
    'action-limit-reached': 429,
    'internal-error': 500,
    'service-unavailable': 503,
  });
});

t.test('a problem is told with all its fields', async (t) => {
  const id = typeId('usr');
  const missing = await api.get(`/v1/users/${id}?a=b`, { 'x-request-id': 'from-the-caller' });
  t.same(missing.fails('not-found'), {
    type: 'urn:scoreboard:problem:not-found',
    title: 'There is nothing here',
    status: 404,
    detail: `There is no user "${id}".`,
    instance: `/v1/users/${id}`,
    code: 'not-found',
    requestId: 'from-the-caller',
  });
  const invalid = (await api.post('/v1/auth/register', { username: 'x', extra: 1 })).fails(
    'validation-failed',
  );
  t.same(invalid.errors?.map(({ path }) => path).sort(), ['/', '/', '/username']);
  t.match(
    invalid.errors?.find(({ message }) => message.includes('extra')),
    { path: '/' },
  );
});

t.test('the caller may name its request; else the service does', async (t) => {
  for (const name of ['a', 'A-b_c.9', 'x'.repeat(128)]) {
    for (const path of ['/v1/actions', '/health', '/no-such-path', '/openapi.json', '/docs']) {
      t.equal((await api.get(path, { 'x-request-id': name })).headers.get('x-request-id'), name);
    }
  }
  for (const name of ['', 'x'.repeat(129), 'a b', 'a/b', 'ä', '{}', 'a,b', '<script>']) {
    const given = (await api.get('/v1/actions', { 'x-request-id': name })).headers.get('x-request-id');
    t.match(given, UUID, name);
  }
  t.not(
    (await api.get('/health')).headers.get('x-request-id'),
    (await api.get('/health')).headers.get('x-request-id'),
  );
});

t.test('a request that has no route, or cannot be read, is named as well', async (t) => {
  const headers = { 'x-request-id': 'mine', 'content-type': 'application/json' };
  const guest = (body: string, more = {}) =>
    api.send('POST', '/v1/auth/guest', { body, headers: { ...headers, ...more } });
  const answers = {
    'no such path': [await api.get('/v1/no-such-path', headers), 'not-found'],
    'no such method': [await api.send('DELETE', '/v1/actions', { headers }), 'method-not-allowed'],
    'another method': [await api.send('PUT', '/v1/scores', { headers, body: '{}' }), 'method-not-allowed'],
    'not JSON': [await guest('{"displayName":'), 'malformed-json'],
    'two JSONs': [await guest('{}{}'), 'malformed-json'],
    'not UTF-8': [
      await api.send('POST', '/v1/auth/guest', { body: Buffer.from([0x7b, 0xff, 0x7d]), headers }),
      'malformed-json',
    ],
    'another charset': [
      await guest('{}', { 'content-type': 'application/json; charset=latin1' }),
      'unsupported-media-type',
    ],
    compressed: [await guest('{}', { 'content-encoding': 'gzip' }), 'unsupported-media-type'],
    __proto__: [await guest('{"__proto__":{"role":"admin"}}'), 'validation-failed'],
    'a constructor': [await guest('{"constructor":{"prototype":{"role":"admin"}}}'), 'validation-failed'],
    text: [await guest('Ada', { 'content-type': 'text/plain' }), 'unsupported-media-type'],
    'a form': [
      await guest('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
      'unsupported-media-type',
    ],
    XML: [await guest('<a/>', { 'content-type': 'application/xml' }), 'unsupported-media-type'],
    'no type at all': [await guest('{}', { 'content-type': '' }), 'unsupported-media-type'],
    'too much': [await guest(`{"displayName":"${'x'.repeat(16_384)}"}`), 'payload-too-large'],
    'too much, in blanks': [await guest(' '.repeat(16_385)), 'payload-too-large'],
  } as const;
  for (const [what, [answer, code]] of Object.entries(answers)) {
    t.equal(answer.fails(code).requestId, 'mine', what);
  }
  t.equal((await app.pg.pool.query('SELECT FROM users')).rowCount, 0);
});

t.test('a body of 16 KiB is read', async () => {
  const json = JSON.stringify({ displayName: 'Ada' });
  const body = json + ' '.repeat(16_384 - json.length);
  (await api.send('POST', '/v1/auth/guest', { body, headers: { 'content-type': 'application/json' } })).is(
    201,
    Session,
  );
});

t.test('whatever comes over a socket, the answer is a problem with a request id', async (t) => {
  const long = 'x'.repeat(20_000);
  const post = (headers: string, body: string) =>
    `POST /v1/auth/guest HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
  const requests: [what: string, text: string, detail?: RegExp][] = [
    ['no HTTP', 'hello\r\n\r\n', /not HTTP/],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', /not HTTP/],
    ['an unknown method', `FOO /health HTTP/1.1\r\n${HOST}\r\n`, /not HTTP/],
    ['no host', 'GET /v1/actions HTTP/1.1\r\nConnection: close\r\n\r\n', /Host/],
    ['two hosts', `GET /v1/actions HTTP/1.1\r\nHost: y\r\n${HOST}\r\n`, /Host/],
    ['a URL that is too long', `GET /${long} HTTP/1.1\r\n${HOST}\r\n`, /too long/],
    ['a header that is too long', `GET /health HTTP/1.1\r\n${HOST}x-long: ${long}\r\n\r\n`, /too long/],
    ['two lengths', post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}'), /not HTTP/],
    [
      'a length and chunks',
      post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'),
      /not HTTP/,
    ],
    [
      'a bad chunk',
      post('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n', 'zz\r\n'),
      /not HTTP/,
    ],
  ];
  for (const [what, text, detail] of requests) {
    const problem = (await exchange(url, text)).fails('validation-failed');
    t.match(problem.requestId, UUID, what);
    t.match(problem.detail, detail, what);
  }
});

t.test('a URL that no route can read is told with the name of the request', async (t) => {
  const get = (path: string) => exchange(url, `GET ${path} HTTP/1.1\r\n${HOST}x-request-id: mine\r\n\r\n`);
  for (const path of [
    '/v1/users/%zz',
    '/%',
    '/v1/leaderboards/%c3%28',
    `/v1/leaderboards/${'x'.repeat(300)}`,
  ]) {
    const problem = (await get(path)).fails('validation-failed');
    t.match(problem, { requestId: 'mine', instance: path }, path);
  }
  t.match((await get('/no-such-path?secret=1')).fails('not-found'), {
    requestId: 'mine',
    instance: '/no-such-path',
  });
});

t.test('an expectation that we do not know is ignored', async () => {
  const text = `POST /v1/auth/guest HTTP/1.1\r\n${HOST}Expect: wonders\r\nContent-Length: 0\r\n\r\n`;
  (await exchange(url, text)).is(201, Session);
});

t.test('bodies are not coerced, queries are', async (t) => {
  const server = await serviceApi(service, 'server');
  const player = await newPlayer(api);
  const actionToken = mint(player.id, { pts: [1, 100] });
  t.match(
    (await server.post('/v1/scores', { actionToken, points: '10' })).fails('validation-failed').errors,
    [{ path: '/points', message: 'must be integer' }],
  );
  t.match((await api.post('/v1/auth/guest', { displayName: 10 })).fails('validation-failed').errors, [
    { path: '/displayName', message: 'must be string' },
  ]);
  t.equal((await api.get('/v1/leaderboards/global/entries?limit=10')).status, 200);
});

t.test('a fault of ours tells the caller nothing of itself', async (t) => {
  const { api, app } = await startApi(t);
  await app.pg.pool.query('ALTER TABLE users RENAME COLUMN display_name TO somewhere_else');
  const problem = (await api.post('/v1/auth/guest', {})).fails('internal-error');
  t.notMatch(JSON.stringify(problem), /display_name|column|relation|users"|pg|postgres|at \//i);
  const user = (await api.get(`/v1/users/${typeId('usr')}`)).fails('internal-error');
  t.equal(user.detail, problem.detail);
});
