import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Leaderboards } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { type Answer, type Api, eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { openRaw } from '../live/live-server.js';
import { mint, typeId } from '../mint.js';

const limits = ({ headers }: Answer) => ({
  limit: Number(headers.get('x-ratelimit-limit')),
  remaining: Number(headers.get('x-ratelimit-remaining')),
  reset: Number(headers.get('x-ratelimit-reset')),
});

t.test('an address may read so often, and what it finds does not matter', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 4 });
  const first = await api.get('/v1/leaderboards');
  first.is(200, Leaderboards);
  t.match(limits(first), { limit: 4, remaining: 3, reset: 60 });
  (await api.get('/v1/leaderboards/no-such-board')).fails('not-found');
  (await api.get('/v1/leaderboards/global/entries?limit=0')).fails('validation-failed');
  const last = await api.get('/no-such-path');
  last.fails('not-found');
  t.equal(limits(last).remaining, 0);
  for (const path of [
    '/v1/leaderboards',
    '/v1/actions',
    `/v1/users/${typeId('usr')}`,
    '/no-such-path',
    '/docs',
    '/openapi.json',
  ]) {
    const answer = await api.get(path);
    const { detail } = answer.fails('rate-limited');
    const retryAfter = Number(answer.headers.get('retry-after'));
    t.ok(retryAfter > 50 && retryAfter <= 60, path);
    t.match(limits(answer), { limit: 4, remaining: 0 });
    t.match(detail, String(retryAfter));
  }
});

t.test('whoever probes the service is never refused', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 1 });
  for (let i = 0; i < 5; i++)
    for (const path of ['/health', '/health/live', '/health/ready'])
      t.equal((await api.get(path)).status, 200);
});

t.test('after the window an address may read again', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 1, RATE_LIMIT_WINDOW_MS: 500 });
  (await api.get('/v1/leaderboards')).is(200, Leaderboards);
  const refused = await api.get('/v1/leaderboards');
  refused.fails('rate-limited');
  // Asking meanwhile does not make it longer.
  await delay(100);
  await eventually(async () => (await api.get('/v1/leaderboards')).is(200, Leaderboards));
});

t.test('logins have a limit of their own', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_AUTH: 3 });
  const login = () => api.post('/v1/auth/login', { username: 'nobody', password: 'a wrong password' });
  for (let i = 0; i < 3; i++) (await login()).fails('invalid-credentials');
  const refused = await login();
  refused.fails('rate-limited');
  t.match(limits(refused), { limit: 3, remaining: 0 });
  (await api.get('/v1/leaderboards')).is(200, Leaderboards);
});

t.test('every way to get in, or to guess a secret, is limited', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_AUTH: 1 });
  const { api: player } = await newPlayer(api);
  const calls: [as: Api, path: string, body: object][] = [
    [api, 'auth/guest', {}],
    [api, 'auth/register', { username: 'ada', password: 'correct horse' }],
    [api, 'auth/login', { username: 'ada', password: 'correct horse' }],
    [api, 'auth/refresh', { refreshToken: 'x' }],
    [api, 'auth/token', { grant_type: 'client_credentials', client_id: 'x', client_secret: 'x' }],
    [player, 'users/me/credentials', { username: 'grace', password: 'correct horse' }],
  ];
  for (const [as, path, body] of calls) {
    await as.post(`/v1/${path}`, body);
    const refused = await as.post(`/v1/${path}`, body);
    refused.fails('rate-limited');
    t.equal(limits(refused).limit, 1, path);
  }
});

t.test('each player may post so many scores; a game server as many as it likes', async (t) => {
  const service = await startApi(t, { RATE_LIMIT_SCORE_UPDATE: 2, RATE_LIMIT_READ: 100 });
  const { api } = service;
  const [ada, eve] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Eve')];
  const server = await serviceApi(service, 'server');
  const post = (as: Api, actionToken: string) => as.post('/v1/scores', { actionToken });
  const first = await post(ada.api, mint(ada.id));
  first.is(200, Receipt);
  t.match(limits(first), { limit: 2, remaining: 1, reset: 60 });
  // What is refused counts too.
  (await post(ada.api, 'x')).fails('action-token-invalid');
  const unused = mint(ada.id);
  const refused = await post(ada.api, unused);
  refused.fails('rate-limited');
  t.match(limits(refused), { limit: 2, remaining: 0 });
  // Nobody else is, and the token is as good as before.
  (await post(eve.api, mint(eve.id))).is(200, Receipt);
  for (let i = 0; i < 5; i++) (await post(server, mint(ada.id))).is(200, Receipt);
  (await post(server, unused)).is(200, Receipt);
  // Another session of the same player does not help.
  const { accessToken } = (await server.post(`/v1/users/${ada.id}/sessions`)).is(201, Session);
  (await post(api.as(accessToken), mint(ada.id))).fails('rate-limited');
});

t.test('bad access tokens are counted for their address, and nobody else pays for them', async (t) => {
  const service = await startApi(t, { RATE_LIMIT_READ: 4, RATE_LIMIT_AUTH: 100 });
  const { api } = service;
  const ada = await newPlayer(api);
  const forged = api.as('x'.repeat(200));
  const calls: [as: Api, method: string, path: string][] = [
    [forged, 'GET', '/v1/users/me'],
    [forged, 'POST', '/v1/scores'],
    [api, 'POST', '/v1/action-tokens'],
    [forged, 'PUT', '/v1/admin/leaderboards/global'],
  ];
  for (const [i, [as, method, path]] of calls.entries()) {
    const answer = await as.send(method, path);
    answer.fails('unauthenticated');
    t.match(limits(answer), { limit: 4, remaining: 3 - i, reset: 60 }, path);
  }
  for (const [as, method, path] of calls) {
    const refused = await as.send(method, path);
    refused.fails('rate-limited');
    t.match(limits(refused), { limit: 4, remaining: 0 });
  }
  // Who scores from there is counted as a player; a game server is not counted at all.
  (await ada.api.post('/v1/scores', { actionToken: mint(ada.id) })).is(200, Receipt);
  const server = await serviceApi(service, 'server');
  (await server.post('/v1/scores', { actionToken: mint(ada.id) })).is(200, Receipt);
});

t.test('what a role does not allow is counted as well', async (t) => {
  const service = await startApi(t, { RATE_LIMIT_READ: 3 });
  const player = await newPlayer(service.api);
  for (let i = 0; i < 3; i++) (await player.api.post('/v1/users', { displayName: 'x' })).fails('forbidden');
  (await player.api.post('/v1/users', { displayName: 'x' })).fails('rate-limited');
});

t.test('a guess at credentials with a bad token is counted as a login', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_AUTH: 2 });
  const call = () =>
    api.as('x').post('/v1/users/me/credentials', { username: 'ada', password: 'x'.repeat(8) });
  for (let i = 0; i < 2; i++) (await call()).fails('unauthenticated');
  (await call()).fails('rate-limited');
});

t.test('preflights are counted, and need no token', async (t) => {
  const { url } = await startApi(t, { RATE_LIMIT_READ: 2 });
  const headers = { origin: 'https://play.example', 'access-control-request-method': 'POST' };
  const preflight = () => fetch(`${url}/v1/scores`, { method: 'OPTIONS', headers });
  for (const remaining of ['1', '0']) {
    const answer = await preflight();
    t.equal(answer.status, 204);
    t.equal(answer.headers.get('x-ratelimit-remaining'), remaining);
  }
  const refused = await preflight();
  t.equal(refused.status, 429);
  t.match(refused.headers.get('retry-after'), /^\d+$/);
  t.equal(refused.headers.get('access-control-allow-origin'), '*');
});

t.test('behind proxies that forward ports the client is counted, not the proxy', async (t) => {
  const { api } = await startApi(t, {
    RATE_LIMIT_READ: 1,
    TRUST_PROXY: ['127.0.0.1', '10.0.0.0/8', '2001:db8::/32'],
  });
  const from = (chain: string) => api.get('/v1/leaderboards', { 'x-forwarded-for': chain });
  for (const chain of [
    '198.51.100.1, 10.0.0.1:4321',
    '198.51.100.2:55, [2001:db8::1]:443',
    '198.51.100.3, [::ffff:10.0.0.1]:80',
  ])
    (await from(chain)).is(200, Leaderboards);
  for (const again of [
    '198.51.100.1:77, 10.0.0.2:1',
    '198.51.100.2, 10.9.9.9',
    '[::ffff:198.51.100.3]:9, 10.0.0.1',
  ])
    (await from(again)).fails('rate-limited');
  // Who sends no address is counted as the proxy that has passed it on.
  (await from('198.51.100.9, unknown, 10.0.0.7:1')).is(200, Leaderboards);
  for (const garbage of ['_hidden, 10.0.0.7:2', 'x, 10.0.0.7']) (await from(garbage)).fails('rate-limited');
});

t.test('IPv6 is counted by its /64, IPv4 by its address however it is written', async (t) => {
  const { api, url } = await startApi(t, {
    RATE_LIMIT_READ: 2,
    SSE_MAX_CONNECTIONS_PER_IP: 1,
    TRUST_PROXY: ['127.0.0.1'],
  });
  const from = (address: string) => api.get('/v1/leaderboards', { 'x-forwarded-for': address });
  for (const address of ['2001:db8::1', '2001:0DB8:0:0:ffff:1:2:3'])
    (await from(address)).is(200, Leaderboards);
  for (const address of ['2001:db8::2', '2001:db8:0:0:a::']) (await from(address)).fails('rate-limited');
  (await from('2001:db8:0:1::1')).is(200, Leaderboards);
  for (const address of ['192.0.2.1', '::ffff:192.0.2.1']) (await from(address)).is(200, Leaderboards);
  for (const address of ['::ffff:c000:201', '192.0.2.1']) (await from(address)).fails('rate-limited');
  const stream = (address: string) =>
    openRaw(t, `${url}/v1/leaderboards/global/stream`, { 'x-forwarded-for': address });
  const statuses: unknown[] = [];
  for (const address of [
    '2001:db8:1::1',
    '2001:db8:1::2',
    '2001:db8:1:1::2',
    '192.0.2.9',
    '::ffff:192.0.2.9',
  ])
    statuses.push((await stream(address)).status);
  t.same(statuses, [200, 503, 200, 200, 503]);
});

t.test('a forged X-Forwarded-For changes nothing', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 2 });
  const from = (address: string) =>
    api.get('/v1/leaderboards', { 'x-forwarded-for': address, forwarded: `for=${address}` });
  for (const address of ['192.0.2.1', '192.0.2.2']) (await from(address)).is(200, Leaderboards);
  for (const address of ['192.0.2.3', '127.0.0.1', '']) (await from(address)).fails('rate-limited');
});

t.test('behind a proxy that is trusted it is the address the proxy tells', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 2, TRUST_PROXY: ['127.0.0.0/8', '10.0.0.0/8'] });
  const from = (address: string) => api.get('/v1/leaderboards', { 'x-forwarded-for': address });
  for (let i = 0; i < 2; i++) (await from('192.0.2.1')).is(200, Leaderboards);
  (await from('192.0.2.1')).fails('rate-limited');
  (await from('192.0.2.2')).is(200, Leaderboards);
  // What a client writes itself stands left of what the proxies add.
  (await from('203.0.113.9, 192.0.2.1')).fails('rate-limited');
  (await from('203.0.113.9, 192.0.2.1, 10.1.2.3')).fails('rate-limited');
  (await from('192.0.2.1, 192.0.2.2')).is(200, Leaderboards);
  (await from('192.0.2.1, 192.0.2.2')).fails('rate-limited');
});
