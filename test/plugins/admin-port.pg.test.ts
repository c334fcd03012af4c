import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { Leaderboards } from '../../schemas/leaderboard.js';
import { AuditTrail } from '../../schemas/moderation.js';
import { serviceApi, startApi } from '../api.js';

t.test('with a port of its own, administration answers at no other', async (t) => {
  const service = await startApi(t, { ADMIN_PORT: 0 });
  const port = await service.app.openAdminPort('127.0.0.1');
  const atOwn = `http://127.0.0.1:${port}`;
  const admin = await serviceApi(service, 'admin');
  const { id } = await service.app.serviceAccounts.create('operator', 'admin');
  const headers = { 'accept-encoding': 'identity' };

  (await admin.at(atOwn).get('/v1/admin/audit')).is(200, AuditTrail);
  (await service.api.at(atOwn).get('/v1/admin/audit')).fails('unauthenticated');
  // The document is that of a service with one port.
  const asAdmin = {
    ...headers,
    authorization: `Bearer ${service.app.accessTokens.issue({ sub: id, role: 'admin' }).token}`,
  };
  t.equal((await fetch(`${service.url}/v1/admin/audit`, { headers: asAdmin })).status, 404);
  for (const path of ['/admin', '/admin/players/x', '/admin/console.js']) {
    t.equal((await fetch(service.url + path, { headers })).status, 404, path);
    t.equal((await fetch(atOwn + path, { headers })).status, 200, path);
  }
  (await service.api.get('/v1/leaderboards')).is(200, Leaderboards);
  (await service.api.at(atOwn).get('/v1/leaderboards')).is(200, Leaderboards);
});

t.test('the second port closes with the service', async (t) => {
  const { app } = await startApi(t, { ADMIN_PORT: 0 });
  const port = await app.openAdminPort('127.0.0.1');
  await app.close();
  const [error] = await once(connect({ host: '127.0.0.1', port: port ?? 0 }), 'error');
  t.equal(error.code, 'ECONNREFUSED');
});

t.test('a port that is taken is an error', async (t) => {
  const { app, url } = await startApi(t);
  const taken = Number(new URL(url).port);
  const other = await startApi(t, { ADMIN_PORT: taken });
  await t.rejects(other.app.openAdminPort('127.0.0.1'), { code: 'EADDRINUSE', port: taken });
  t.equal(await app.openAdminPort('127.0.0.1'), null, 'none is asked for');
});
