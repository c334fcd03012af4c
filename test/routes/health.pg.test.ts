import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Health, Liveness, Readiness } from '../../schemas/service.js';
import { Session } from '../../schemas/session.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase } from '../helper.js';
import { mint } from '../mint.js';

t.test('all is well', async (t) => {
  const { api } = await startApi(t);
  const answer = await api.get('/health');
  t.same(answer.is(200, Health), { status: 'ok', checks: { database: 'ok', redis: 'disabled' } });
  t.equal(answer.headers.get('cache-control'), 'no-store');
  t.same((await api.get('/health/live')).is(200, Liveness), { status: 'ok' });
});

t.test('without its database the service is degraded, lives, and recovers by itself', async (t) => {
  const url = await buildTestDatabase(t);
  const port = Number(new URL(url).port);
  const proxy = await PostgresProxy.open(t, port);
  const { api } = await startApi(t, { DATABASE_URL: proxy.via(url) });
  const player = await newPlayer(api);
  const score = (actionToken: string) => player.api.post('/v1/scores', { actionToken });
  (await score(mint(player.id))).is(200, Receipt);

  proxy.target = null;
  proxy.cut();
  const degraded = await eventually(async () => (await api.get('/health')).is(503, Health));
  t.same(degraded, { status: 'degraded', checks: { database: 'error', redis: 'disabled' } });
  t.same((await api.get('/health/live')).is(200, Liveness), { status: 'ok' });
  t.same((await api.get('/health/ready')).is(200, Readiness), { status: 'ok' }, 'others are no better');
  (await api.post('/v1/auth/guest', {})).fails('service-unavailable');
  // A score waits a while for the database: what comes back in time is written, and answered, once.
  const waiting = score(mint(player.id));

  proxy.target = port;
  (await waiting).is(200, Receipt);
  await eventually(async () => (await api.get('/health')).is(200, Health));
  (await api.post('/v1/auth/guest', {})).is(201, Session);
});

t.test('a score that cannot be written says so in the end, and may be sent again', async (t) => {
  const url = await buildTestDatabase(t);
  const port = Number(new URL(url).port);
  const proxy = await PostgresProxy.open(t, port);
  const { api } = await startApi(t, { DATABASE_URL: proxy.via(url) });
  const player = await newPlayer(api);
  const actionToken = mint(player.id);
  proxy.target = null;
  proxy.cut();
  (await player.api.post('/v1/scores', { actionToken })).fails('service-unavailable');
  proxy.target = port;
  await eventually(async () => (await player.api.post('/v1/scores', { actionToken })).is(200, Receipt));
});
