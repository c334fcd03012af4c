import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Health, Liveness, Readiness } from '../../schemas/service.js';
import { buildApp } from '../../src/app.js';
import { Api, documentOf, eventually, newPlayer } from '../api.js';
import { buildTestDatabase, testConfig } from '../helper.js';
import { mint } from '../mint.js';
import { finish, openSocket } from '../raw-http.js';

t.test('a service that shuts down answers what is under way and refuses what is new', async (t) => {
  const app = await buildApp(testConfig(await buildTestDatabase(t)));
  t.teardown(() => app.close());
  // Something that takes its time to end keeps the door open a while.
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  app.addHook('preClose', () => ended);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const api = new Api(url, documentOf({ app }));

  const player = await newPlayer(api);
  const body = JSON.stringify({ actionToken: mint(player.id) });
  const head = `POST /v1/scores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${player.session.accessToken}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const taken = once(app.server, 'request');
  const underWay = await openSocket(url);
  underWay.write(head + body.slice(0, 10));
  await taken;
  (await api.get('/health/live')).is(200, Liveness);
  t.same((await api.get('/health/ready')).is(200, Readiness), { status: 'ok' });

  const closed = app.close();
  await eventually(async () => {
    if (app.takesRequests) throw new Error('not yet');
  });
  t.same((await api.get('/health')).is(503, Health), {
    status: 'degraded',
    checks: { database: 'ok', redis: 'disabled' },
  });
  t.same((await api.get('/health/ready')).is(503, Readiness), { status: 'unavailable' });
  t.same((await api.get('/health/live')).is(200, Liveness), { status: 'ok' });
  (await api.get('/v1/leaderboards')).fails('service-unavailable');
  (await api.get('/no-such-path')).fails('service-unavailable');
  (await player.api.post('/v1/scores', { actionToken: mint(player.id) })).fails('service-unavailable');

  end();
  (await finish(underWay, body.slice(10))).is(200, Receipt);
  await closed;
  const [refused] = await once(connect(Number(new URL(url).port), '127.0.0.1'), 'error');
  t.equal(refused.code, 'ECONNREFUSED');
});
