import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { assertFit } from '../../src/postgres/fitness.js';
import { ReplicaLag } from '../../src/postgres/replica-lag.js';
import { Api, documentOf, eventually, newPlayer } from '../api.js';
import { buildTestApp, type TestApp } from '../helper.js';
import { GameServer, openPool } from '../ledger/game-server.js';
import { LogLines } from '../log-lines.js';
import { mint } from '../mint.js';
import { verify } from '../verify.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './proxy.js';

const LONG_MS = 3_600_000;
const LAGS = 'The replica lags, or its lag is not known: the primary is read instead';
const CAUGHT_UP = 'The replica has caught up: it is read again';

/** Two instances on a primary and its streaming replica, which they have found to follow. */
async function open(t: Test, maxLagMs = LONG_MS) {
  const primary = await PostgresServer.start(t);
  await primary.prepare();
  const replica = await primary.replica(t);
  const proxy = await PostgresProxy.open(t, replica.port);
  const config = {
    DATABASE_URL: primary.url,
    DATABASE_REPLICA_URL: proxy.via(replica.url),
    DATABASE_REPLICA_MAX_LAG_MS: maxLagMs,
    LOG_LEVEL: 'info',
  };
  const lines = new LogLines();
  const [one, two] = [await buildTestApp(t, config, lines), await buildTestApp(t, config)];
  for (const { app } of [one, two]) await eventually(async () => assert(await readsReplica(app)));
  const api = new Api(one.url, documentOf(one));
  const game = new GameServer(t);
  const score = async (userId: string) => {
    const text = mint(userId);
    const { status } = await game.post(one.url, { id: '', userId, points: 250, text });
    assert.equal(status, 200);
  };
  return { primary, replica, proxy, one, two, api, score, lines };
}

/** Whether reads that tolerate lag reach a standby. */
async function readsReplica({ replica }: TestApp['app']): Promise<boolean> {
  const { rows } = await replica.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  return rows[0]?.standby === true;
}

/** What /metrics says, in seconds. */
async function lagOf({ url }: TestApp): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^database_replica_lag_seconds (.*)$/m.exec(text)?.[1]);
}

type Player = Awaited<ReturnType<typeof newPlayer>>;

const history = async ({ api }: Player) =>
  (await api.get('/v1/users/me/events')).is(200, ScoreEvents).items.length;
const namesAt = async (api: Api) =>
  (await api.get('/v1/leaderboards/global/entries'))
    .is(200, Entries)
    .items.map(({ displayName }) => displayName);

t.test('a standby is refused as the database of the service', async (t) => {
  const { replica } = await open(t);
  await t.rejects(assertFit({ url: replica.url }), /^DATABASE_URL leads to a standby/);
  const verified = await verify(replica.url);
  t.match(verified, { code: 0, out: /All scores equal the ledger/ }, 'its scores can be verified');
});

t.test('reads that tolerate lag use the replica, and those of display names do not', async (t) => {
  const { replica, one, two, api, score } = await open(t);
  const standby = openPool(t, replica.url);
  const ada = await newPlayer(api, 'Ada');
  const bob = await newPlayer(api, 'Bob');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 1));
  await standby.query('SELECT pg_wal_replay_pause()');

  await score(ada.id);
  await score(bob.id);
  t.equal(await history(ada), 1, 'the history lags with the replica');
  for (const { url } of [one, two]) {
    await eventually(async () => assert.deepEqual(await namesAt(api.at(url)), ['Ada', 'Bob']));
  }
  const newcomer = await newPlayer(api, 'Newcomer');
  await score(newcomer.id);
  (await bob.api.patch('/v1/users/me', { displayName: 'Robert' })).is(200, User);
  for (const { url } of [one, two]) {
    await eventually(
      async () => assert.deepEqual(await namesAt(api.at(url)), ['Ada', 'Robert', 'Newcomer']),
      1_500,
    );
  }
  t.pass('names that the replica lacks show immediately');

  await standby.query('SELECT pg_wal_replay_resume()');
  await eventually(async () => assert.equal(await history(ada), 2));
});

t.test('on an idle primary a replica has no lag, however old its last transaction is', async (t) => {
  const primary = await PostgresServer.start(t);
  const replica = openPool(t, (await primary.replica(t)).url);
  const lag = new ReplicaLag({
    primary: openPool(t, primary.url),
    replica,
    maxMs: 500,
    onChange: () => {},
  });
  t.notOk(lag.isShort, 'unknown at first');
  const age = 'SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 AS seconds';
  await openPool(t, primary.url).query('CREATE TABLE last_transaction ()');
  await eventually(async () => {
    const { rows } = await replica.query<{ seconds: number | null }>(age);
    assert((rows[0]?.seconds ?? 0) > 1);
  });
  await eventually(async () => {
    await lag.measure();
    assert(lag.ms < 500);
  });
  t.ok(lag.isShort);
});

t.test('a replica that follows the primary of before is not read, however far it is', async (t) => {
  const before = await PostgresServer.start(t);
  const [next, replica] = [await before.replica(t), await before.replica(t)];
  const [old, primary, standby] = [before, next, replica].map(({ url }) => openPool(t, url));
  assert(old && primary && standby);
  await primary.query('SELECT pg_promote()');
  const lag = new ReplicaLag({ primary, replica: standby, maxMs: 60_000, onChange: () => {} });
  await old.query('CREATE TABLE lost AS SELECT generate_series(1, 100000)');
  await eventually(async () => {
    const position = 'SELECT (pg_last_wal_replay_lsn() - $1)::float8 AS ahead';
    const {
      rows: [now],
    } = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn');
    const { rows } = await standby.query<{ ahead: number }>(position, [now?.lsn]);
    assert((rows[0]?.ahead ?? 0) > 0);
  });
  await lag.measure();
  t.notOk(lag.isShort);
});

t.test('a replica that lags is not read until it has caught up', async (t) => {
  const { replica, proxy, one, api, score, lines } = await open(t, 1_000);
  const standby = openPool(t, replica.url);
  const ada = await newPlayer(api, 'Ada');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 1));

  await standby.query('SELECT pg_wal_replay_pause()');
  await score(ada.id);
  const wrote = performance.now();
  await eventually(async () => assert.equal(await history(ada), 2));
  t.notOk(await readsReplica(one.app), 'reads have moved to the primary');
  t.ok(performance.now() - wrote < 10_000);
  await lines.first(LAGS);
  await eventually(async () => assert((await lagOf(one)) > 2));
  t.equal((await fetch(`${one.url}/health`)).status, 200, 'which is no reason to be ill');
  t.notOk(await readsReplica(one.app));

  await standby.query('SELECT pg_wal_replay_resume()');
  await lines.first(CAUGHT_UP);
  t.ok(await readsReplica(one.app), 'reads are back');
  t.equal(await history(ada), 2);
  t.ok((await lagOf(one)) < 1);

  // Nobody knows how far a replica is that does not answer, nor one that follows nobody any more.
  proxy.freeze();
  await eventually(async () => assert.equal(lines.of(LAGS).length, 2));
  t.notOk(await readsReplica(one.app));
  proxy.thaw();
  await eventually(async () => assert.equal(lines.of(CAUGHT_UP).length, 2));
  await standby.query('SELECT pg_promote()');
  await eventually(async () => assert.equal(lines.of(LAGS).length, 3));
  await score(ada.id);
  t.equal(await history(ada), 3, 'a standby that was promoted is not read');
});

t.test('the primary answers when the replica cannot', async (t) => {
  const { primary, replica, proxy, one, api, score } = await open(t);
  const ada = await newPlayer(api, 'Ada');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 1));
  const writer = openPool(t, primary.url);

  // A replica cancels queries on rows that the primary has vacuumed, or on tables that it has locked.
  const [cancelled] = await Promise.all([
    one.app.replica.query('SELECT pg_is_in_recovery() AS standby, pg_sleep(1) FROM users'),
    writer.query('SELECT pg_sleep(0.3)').then(() => writer.query('ALTER TABLE users ADD COLUMN spare int')),
  ]);
  t.same(cancelled.rows[0], { standby: false, pg_sleep: '' }, 'a query that the replica cancelled');
  t.equal(await history(ada), 1);

  let reading = true;
  let count = 0;
  let slowest = 0;
  const reads = (async () => {
    for (; reading; count++) {
      const start = performance.now();
      const [events, names] = await Promise.all([history(ada), namesAt(api)]);
      assert(events >= 1 && names.length === 1);
      slowest = Math.max(slowest, performance.now() - start);
    }
  })();
  await eventually(async () => assert(count > 20));
  replica.kill('SIGKILL');
  proxy.cut();
  await score(ada.id);
  t.equal(await history(ada), 2, 'while the replica is down');
  const before = count;
  await eventually(async () => assert(count > before + 20));
  reading = false;
  await reads;
  t.comment(`${count} reads without an error, the slowest took ${Math.round(slowest)} ms`);
  t.ok(slowest < 20_000, 'none hangs');

  await replica.start();
  proxy.target = replica.port;
  const standby = openPool(t, replica.url);
  await standby.query('SELECT pg_wal_replay_pause()');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 2));
  t.pass('the replica is used again when it is back');
});
