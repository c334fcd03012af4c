import assert from 'node:assert/strict';
import t from 'tap';
import { AdminSession } from '../../../schemas/administrator.js';
import { ModeratedUser } from '../../../schemas/moderation.js';
import { SCOPES } from '../../../schemas/scope.js';
import { purgeAdminSessions } from '../../../src/access/admin-sessions.js';
import { resealAdministrators } from '../../../src/access/reseal-administrators.js';
import { Seal } from '../../../src/sealing.js';
import { codeOf, consoleOf, logIn, newAdministrator, peopleOf } from '../../administrators.js';
import { newPlayer, serviceApi, startApi } from '../../api.js';
import { JWT_SECRET } from '../../helper.js';
import { exchange } from '../../raw-http.js';

const service = await startApi(t);
const { api, app, config, url } = service;
const { pool } = app.pg;
const PATH = '/v1/admin/session';
const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });

t.test('a person logs in, is known by a cookie, and logs out', async (t) => {
  const ada = await newAdministrator(service);
  const { session, setCookie, cookie, send } = await logIn(service, ada);
  t.match(session, { id: ada.id, name: ada.name, role: 'admin', scopes: SCOPES, recoveryCodesLeft: 10 });
  t.match(setCookie, /^scoreboard_admin=[\w-]{43}; Path=\/v1\/admin; HttpOnly; SameSite=Strict$/);
  t.same((await api.get(PATH, { cookie })).is(200, AdminSession), session);
  t.same((await other.api.get(PATH, { cookie })).is(200, AdminSession), session, 'on every instance');
  t.equal((await send('GET', '/v1/admin/audit')).status, 200);
  const left = await send('DELETE', PATH);
  left.isEmpty(204);
  t.match(left.headers.get('set-cookie'), /^scoreboard_admin=; .*Max-Age=0$/);
  (await send('GET', '/v1/admin/audit')).fails('unauthenticated');
  (await api.get(PATH, { cookie })).fails('unauthenticated');
  (await api.get(PATH)).fails('unauthenticated');
});

t.test('the cookie is sent over TLS alone, but for loopback', async (t) => {
  const ada = await newAdministrator(service);
  for (const [host, origin, isSecure] of [
    ['scores.example', 'https://scores.example', true],
    ['scores.example', undefined, true],
    ['localhost:3000', 'http://localhost:3000', false],
    ['[::1]:3000', undefined, false],
  ] as const) {
    await pool.query('UPDATE administrators SET last_step = 0');
    const body = JSON.stringify({ name: ada.name, password: ada.password, code: codeOf(ada.uri) });
    const lines = [`POST ${PATH} HTTP/1.1`, `Host: ${host}`, ...(origin ? [`Origin: ${origin}`] : [])];
    const rest = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Connection: close'];
    const answer = await exchange(url, `${[...lines, ...rest].join('\r\n')}\r\n\r\n${body}`);
    t.equal(answer.status, 201, host);
    t.equal(/; Secure$/.test(answer.headers.get('set-cookie') ?? ''), isSecure, `${host} ${origin}`);
  }
});

t.test('a cookie alone does nothing: not without the CSRF token, and not from elsewhere', async (t) => {
  const { cookie, csrfToken, send } = await logIn(service, await newAdministrator(service));
  const own = await logIn(service, await newAdministrator(service));
  const board = { title: 'Stolen', sort: 'desc', operator: 'best' };
  for (const headers of [
    {},
    { 'x-csrf-token': '' },
    { 'x-csrf-token': own.csrfToken },
    { 'x-csrf-token': csrfToken, origin: 'https://evil.example' },
    { 'x-csrf-token': csrfToken, origin: 'null' },
    { 'x-csrf-token': csrfToken, 'sec-fetch-site': 'cross-site' },
    { 'x-csrf-token': csrfToken, 'sec-fetch-site': 'same-site' },
    { 'x-csrf-token': csrfToken, 'sec-fetch-site': 'none' },
  ]) {
    for (const [method, path, json] of [
      ['PUT', '/v1/admin/leaderboards/stolen', board],
      ['GET', '/v1/admin/audit', undefined],
      ['DELETE', PATH, undefined],
    ] as const)
      (await api.send(method, path, { json, headers: { cookie, ...headers } })).fails('forbidden');
    // As EventSource asks, which can send no header of its own.
    (await api.get('/v1/admin/overview', { cookie, ...headers, accept: 'text/event-stream' })).fails(
      'forbidden',
    );
  }
  (await api.get('/v1/leaderboards/stolen')).fails('not-found');
  (await api.get(PATH, { cookie, origin: 'https://evil.example' })).fails('forbidden');
  (await api.get(PATH, { cookie, 'sec-fetch-site': 'cross-site' })).fails('forbidden');
  const sameOrigin = { origin: url, 'sec-fetch-site': 'same-origin' };
  t.equal((await send('PUT', '/v1/admin/leaderboards/own', board, sameOrigin)).status, 200);
  t.equal((await send('DELETE', PATH)).status, 204, 'it was still there');
});

t.test('nobody is logged in from another site', async () => {
  const { name, password, uri } = await newAdministrator(service);
  const json = { name, password, code: codeOf(uri) };
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }] as Record<
    string,
    string
  >[])
    (await api.send('POST', PATH, { json, headers })).fails('forbidden');
});

t.test('the cookie counts under /v1/admin alone, and never beside a token', async (t) => {
  const { send } = await logIn(service, await newAdministrator(service));
  (await send('POST', '/v1/users', { displayName: 'x' })).fails('unauthenticated');
  (await send('POST', '/v1/scores/batch', { submissions: [] })).fails('unauthenticated');
  (await send('GET', '/v1/users/me')).fails('unauthenticated');
  (await send('POST', '/v1/auth/logout')).fails('unauthenticated');
  const server = await serviceApi(service, 'server');
  const headers = { authorization: 'Bearer nonsense' };
  (await send('GET', '/v1/admin/audit', undefined, headers)).fails('unauthenticated');
  (await send('GET', PATH, undefined, headers)).fails('unauthenticated');
  (await server.get('/v1/admin/audit')).fails('forbidden');
  t.equal((await send('GET', '/v1/admin/audit')).status, 200);
});

t.test('a code counts once, also if it is sent twice at the same time', async (t) => {
  const { name, password, uri } = await newAdministrator(service);
  const code = codeOf(uri);
  const tries = [api, other.api, api, other.api].map((at) => at.post(PATH, { name, password, code }));
  const statuses = (await Promise.all(tries)).map(({ status }) => status);
  t.same(statuses.sort(), [201, 401, 401, 401]);
  const replayed = (await api.post(PATH, { name, password, code })).fails('invalid-credentials');
  // The code before is older than what was used.
  (await other.api.post(PATH, { name, password, code: codeOf(uri, -30_000) })).fails('invalid-credentials');
  const unknown = (await api.post(PATH, { name: 'nobody', password, code })).fails('invalid-credentials');
  t.equal(unknown.detail, replayed.detail);
  const wrong = (await other.api.post(PATH, { name, password: 'wrong', code: codeOf(uri, 30_000) })).fails(
    'invalid-credentials',
  );
  t.equal(wrong.detail, replayed.detail);
  (await api.post(PATH, { name: name.toUpperCase(), password, code: codeOf(uri, 30_000) })).is(
    201,
    AdminSession,
  );
});

t.test('of a recovery code that is sent twice at the same time one counts', async (t) => {
  const { name, password, recoveryCodes } = await newAdministrator(service);
  const [first = '', second = ''] = recoveryCodes;
  const tries = [api, other.api, api, other.api].map((at) => at.post(PATH, { name, password, code: first }));
  const statuses = (await Promise.all(tries)).map(({ status }) => status);
  t.same(statuses.sort(), [201, 401, 401, 401]);
  (await api.post(PATH, { name, password, code: first })).fails('invalid-credentials');
  const typed = second.toUpperCase().replace('-', ' ');
  const { recoveryCodesLeft } = (await api.post(PATH, { name, password, code: typed })).is(201, AdminSession);
  t.equal(recoveryCodesLeft, 8);
  const another = await newAdministrator(service);
  (await api.post(PATH, { name, password, code: another.recoveryCodes[0] })).fails('invalid-credentials');
});

t.test('a moderator moderates, and defines nothing; the audit has the person', async (t) => {
  const moderator = await newAdministrator(service, 'moderator');
  const { session, send } = await logIn(service, moderator);
  t.same(session.scopes, ['users:read', 'moderation', 'read']);
  const rules = { title: 'Mine', sort: 'desc', operator: 'best' };
  const refused = (await send('PUT', '/v1/admin/leaderboards/mine', rules)).fails('forbidden');
  t.equal(refused.detail, 'This needs the scope boards:write.');
  (await send('POST', '/v1/admin/webhooks', { url: 'https://x.example', events: ['user.banned'] })).fails(
    'forbidden',
  );
  const player = await newPlayer(api);
  const ban = await send('POST', `/v1/admin/users/${player.id}/ban`, { reason: 'A bot.' });
  ban.is(200, ModeratedUser);
  t.match((await send('GET', '/v1/admin/audit?limit=1')).body, {
    items: [{ actor: moderator.id, actorName: moderator.name, action: 'ban-user', target: player.id }],
  });
});

t.test('a reset ends what was open on every instance, and changes all that was known', async () => {
  const ada = await newAdministrator(service);
  const { cookie } = await logIn(service, ada);
  const here = await logIn(service, ada);
  (await other.api.get(PATH, { cookie })).is(200, AdminSession);
  const fresh = await peopleOf(service).reset(ada.name);
  (await other.api.get(PATH, { cookie })).fails('unauthenticated');
  (await here.send('GET', '/v1/admin/audit')).fails('unauthenticated');
  const { name, password, uri, recoveryCodes } = ada;
  (await api.post(PATH, { name, password, code: codeOf(fresh.uri) })).fails('invalid-credentials');
  for (const code of [codeOf(uri), recoveryCodes[0]])
    (await api.post(PATH, { name, password: fresh.password, code })).fails('invalid-credentials');
  (await api.post(PATH, { name, password: fresh.password, code: codeOf(fresh.uri) })).is(201, AdminSession);
});

t.test('one who is disabled is out, and stays in the audit by name', async (t) => {
  const ada = await newAdministrator(service);
  const { send } = await logIn(service, ada);
  await peopleOf(service).disable(ada.name);
  (await send('GET', '/v1/admin/audit')).fails('unauthenticated');
  const { name, password, recoveryCodes } = ada;
  (await api.post(PATH, { name, password, code: recoveryCodes[0] })).fails('invalid-credentials');
  t.match(
    (await peopleOf(service).list()).find(({ id }) => id === ada.id),
    { name, disabledAt: Number },
  );
  const admin = await serviceApi(service, 'admin');
  t.match((await admin.get(`/v1/admin/audit?target=${ada.id}`)).body, {
    items: [
      { actor: 'operator', action: 'disable-administrator', target: ada.id },
      { actor: 'operator', action: 'create-administrator', target: ada.id },
    ],
  });
});

t.test('a session ends without use, and at the latest after some hours', async (t) => {
  const age = (column: string, seconds: number, id: string) =>
    pool.query(
      `UPDATE administrator_sessions SET ${column} = ${column} - $1 * interval '1 second' WHERE administrator_id = uuid_of($2)`,
      [seconds, id],
    );
  const [idle, old] = [await newAdministrator(service), await newAdministrator(service)];
  const { send, session } = await logIn(service, idle);
  await age('used_at', session.idleSeconds - 60, idle.id);
  t.equal((await send('GET', '/v1/admin/audit')).status, 200, 'which counts as a use');
  await age('used_at', session.idleSeconds - 60, idle.id);
  t.equal((await send('GET', '/v1/admin/audit')).status, 200);
  await age('used_at', session.idleSeconds + 60, idle.id);
  (await send('GET', '/v1/admin/audit')).fails('unauthenticated');
  const aged = await logIn(service, old);
  await age('expires_at', 12 * 3600, old.id);
  (await aged.send('GET', '/v1/admin/audit')).fails('unauthenticated');
  const of = (id: string) =>
    pool.query('SELECT FROM administrator_sessions WHERE administrator_id = uuid_of($1)', [id]);
  t.equal(await purgeAdminSessions(pool, 100), false);
  t.same([(await of(idle.id)).rowCount, (await of(old.id)).rowCount], [0, 0]);
});

t.test('guesses at one name must wait, then also the right answer', async (t) => {
  // The waits pass by this clock.
  let time = Math.round(performance.now());
  t.intercept(performance, 'now', { value: () => time });
  const { id, name, password, uri } = await newAdministrator(service);
  const right = () => api.post(PATH, { name, password, code: codeOf(uri) });
  for (let i = 0; i < 5; i++)
    (await api.post(PATH, { name, password, code: '000000' })).fails('invalid-credentials');
  (await right()).fails('rate-limited');
  (await api.post(PATH, { name: name.toUpperCase(), password, code: codeOf(uri) })).fails('rate-limited');
  const { rowCount } = await pool.query(
    'SELECT FROM administrator_sessions WHERE administrator_id = uuid_of($1)',
    [id],
  );
  t.equal(rowCount, 0);
  time += 1_000;
  (await right()).is(201, AdminSession);
});

t.test('guesses at many names are limited by their network', async (t) => {
  const limited = await startApi(t, { DATABASE_URL: config.DATABASE_URL, RATE_LIMIT_AUTH: 10 });
  for (let i = 0; i < 10; i++)
    (await limited.api.post(PATH, { name: `name-${i}`, password: 'x', code: '0' })).fails(
      'invalid-credentials',
    );
  const ada = await newAdministrator(service);
  (await limited.api.post(PATH, { name: ada.name, password: ada.password, code: codeOf(ada.uri) })).fails(
    'rate-limited',
  );
});

t.test('what is stored lets nobody log in, and outlasts a change of the secret', async (t) => {
  const { id, name, password, uri, recoveryCodes } = await newAdministrator(service);
  const [, base32 = ''] = /secret=(\w+)/.exec(uri) ?? [];
  t.equal(base32.length, 32);
  const { cookie } = await logIn(service, { id, name, password, uri });
  const { rows } = await pool.query<{ row: string }>(`
    SELECT a::text AS row FROM administrators a UNION ALL
    SELECT c::text FROM recovery_codes c UNION ALL SELECT s::text FROM administrator_sessions s`);
  const stored = rows.map(({ row }) => row).join('\n');
  for (const secret of [base32, password, recoveryCodes[0] ?? '', cookie.split('=')[1] ?? '']) {
    t.notOk(stored.includes(secret));
    t.notOk(stored.includes(Buffer.from(secret).toString('hex')));
  }
  const NEW_SECRET = 'another secret for access tokens, for tests';
  const rotated = await startApi(t, {
    DATABASE_URL: config.DATABASE_URL,
    JWT_SECRET: NEW_SECRET,
    JWT_SECRET_PREVIOUS: JWT_SECRET,
  });
  await logIn({ app: rotated.app, api: rotated.api }, { id, name, password, uri });
  const reseal = resealAdministrators(new Seal('administrator', NEW_SECRET, JWT_SECRET), assert.fail);
  await reseal(pool, 1_000);
  const after = await startApi(t, { DATABASE_URL: config.DATABASE_URL, JWT_SECRET: NEW_SECRET });
  const answer = await after.api.post(PATH, { name, password, code: recoveryCodes[1] });
  const { send } = consoleOf(after.api, answer, answer.is(201, AdminSession));
  t.equal((await send('GET', '/v1/admin/audit')).status, 200);
});
