import assert from 'node:assert/strict';
import pg from 'pg';
import t, { type Test } from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Health } from '../../schemas/service.js';
import { Session } from '../../schemas/session.js';
import { type Api, eventually, newPlayer, startApi } from '../api.js';
import { mint } from '../mint.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './proxy.js';
import { SmallDisk } from './small-disk.js';

async function connected(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

const isHealthy = (api: Api) => eventually(async () => (await api.get('/health')).is(200, Health));
const isIll = (t: Test, api: Api) =>
  eventually(async () => {
    const { checks } = (await api.get('/health')).is(503, Health);
    t.equal(checks.database, 'error');
  });

t.test('while PostgreSQL is read-only health is 503, also if only new sessions are', async (t) => {
  const server = await PostgresServer.start(t);
  await server.prepare();
  const client = await connected(t, server.url);
  const { api } = await startApi(t, { DATABASE_URL: server.url });
  await isHealthy(api);
  await client.query('ALTER SYSTEM SET default_transaction_read_only = on');
  await client.query('SELECT pg_reload_conf()');
  await isIll(t, api);
  (await api.post('/v1/auth/guest', {})).fails('service-unavailable');
  await client.query('ALTER SYSTEM RESET default_transaction_read_only');
  await client.query('SELECT pg_reload_conf()');
  await isHealthy(api);

  const name = new URL(server.url).pathname.slice(1);
  await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  // Sessions from before still write; those that begin now do not.
  await isIll(t, api);
  await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('scoreboard-api', 'scoreboard-api probe')",
  );
  await eventually(async () => (await api.post('/v1/auth/guest', {})).fails('service-unavailable'));
  await client.query('SET default_transaction_read_only = off');
  await client.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
  await isHealthy(api);
  await eventually(async () => (await api.post('/v1/auth/guest', {})).is(201, Session));
});

t.test('behind a failover to a standby health is 503 until it is promoted', async (t) => {
  const primary = await PostgresServer.start(t);
  await primary.prepare();
  const standby = await primary.replica(t);
  const proxy = await PostgresProxy.open(t, primary.port);
  const { api } = await startApi(t, { DATABASE_URL: proxy.via(primary.url) });
  const player = await newPlayer(api);
  const client = await connected(t, standby.url);
  await eventually(async () => {
    const { rowCount } = await client.query('SELECT FROM users WHERE id = uuid_of($1)', [player.id]);
    assert.equal(rowCount, 1);
  });
  proxy.target = standby.port;
  proxy.cut();
  await isIll(t, api);
  (await player.api.post('/v1/scores', { actionToken: mint(player.id) })).fails('service-unavailable');
  await client.query('SELECT pg_promote()');
  await isHealthy(api);
  (await player.api.post('/v1/scores', { actionToken: mint(player.id) })).is(200, Receipt);
});

t.test('while the disk of PostgreSQL is full health is 503', async (t) => {
  const disk = new SmallDisk(t, 256);
  const server = await PostgresServer.start(t, {}, disk.directory);
  await server.prepare();
  const { api } = await startApi(t, { DATABASE_URL: server.url });
  const player = await newPlayer(api);
  await isHealthy(api);
  disk.fill();
  const metadata = { text: 'x'.repeat(1_900) };
  const post = () => player.api.post('/v1/scores', { actionToken: mint(player.id), metadata });
  for (let { status } = await post(); status === 200; { status } = await post());
  await isIll(t, api);
  disk.makeRoom();
  await isHealthy(api);
  (await post()).is(200, Receipt);
});
