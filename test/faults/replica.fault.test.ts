import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { assertFit } from '../../src/postgres/fitness.js';
import { Api, documentOf, eventually, newPlayer } from '../api.js';
import { buildTestApp } from '../helper.js';
import { GameServer, openPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './proxy.js';

/** Two instances on a primary and its streaming replica. */
async function open(t: Test) {
  const primary = await PostgresServer.start(t);
  await primary.prepare();
  const replica = await primary.replica(t);
  const proxy = await PostgresProxy.open(t, replica.port);
  const config = { DATABASE_URL: primary.url, DATABASE_REPLICA_URL: proxy.via(replica.url) };
  const [one, two] = [await buildTestApp(t, config), await buildTestApp(t, config)];
  const api = new Api(one.url, documentOf(one));
  const game = new GameServer(t);
  const score = async (userId: string) => {
    const text = mint(userId);
    const { status } = await game.post(one.url, { id: '', userId, points: 250, text });
    assert.equal(status, 200);
  };
  return { primary, replica, proxy, one, two, api, score };
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
});

t.test('reads that tolerate lag use the replica, and every entry has its display name', async (t) => {
  const { primary, replica, one, two, api, score } = await open(t);
  const master = openPool(t, primary.url);
  const standby = openPool(t, replica.url);
  const ada = await newPlayer(api, 'Ada');
  const bob = await newPlayer(api, 'Bob');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 1));
  await standby.query('SELECT pg_wal_replay_pause()');

  await score(ada.id);
  await score(bob.id);
  t.equal(await history(ada), 1, 'the history lags with the replica');
  await master.query("UPDATE users SET display_name = 'Ada II' WHERE id = $1", [ada.id]);
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
  t.pass('a name that the replica lacks comes from the primary, and a new name shows immediately');

  await standby.query('SELECT pg_wal_replay_resume()');
  await eventually(async () => assert.equal(await history(ada), 2));
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
  t.ok(slowest < 3_000, `${count} reads without an error, the slowest took ${Math.round(slowest)} ms`);

  await replica.start();
  proxy.target = replica.port;
  const standby = openPool(t, replica.url);
  await standby.query('SELECT pg_wal_replay_pause()');
  await score(ada.id);
  await eventually(async () => assert.equal(await history(ada), 2));
  t.pass('the replica is used again when it is back');
});
