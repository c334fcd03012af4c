import assert from 'node:assert/strict';
import pg from 'pg';
import t, { type Test } from 'tap';
import { Action } from '../../schemas/action.js';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { ModeratedUser } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { Health } from '../../schemas/service.js';
import { User } from '../../schemas/user.js';
import type { AppConfig } from '../../src/config.js';
import { eventually, newPlayer, projected, serviceApi, startApi } from '../api.js';
import { LogLines } from '../log-lines.js';
import { mint } from '../mint.js';
import { results } from '../receipts.js';
import { RedisServer } from '../redis-server.js';
import { BoardStream } from './board-stream.js';
import { PostgresServer } from './postgres-server.js';
import { single } from './under-load.js';

const LOST = 'Changes of other instances do not arrive';
const BACK = 'Changes of other instances arrive again';

const listeners = async (client: pg.Client): Promise<number[]> => {
  const { rows } = await client.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'scoreboard-api changes'",
  );
  return rows.map(({ pid }) => pid);
};

/** Takes every connection that PostgreSQL has left, and gives them back. */
async function takeAllSlots(url: string) {
  const taken: pg.Client[] = [];
  const take = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url, application_name: 'somebody else' });
    client.on('error', () => {});
    const isTaken = await client.connect().then(
      () => true,
      () => false,
    );
    if (isTaken) taken.push(client);
    return isTaken;
  };
  while (await take());
  return { take, giveBack: () => Promise.all(taken.map((client) => client.end())) };
}

/** Instance B hears nothing while A goes on: whatever B has learned by listening it must ask PostgreSQL for. */
async function deaf(t: Test, settings: Partial<AppConfig>): Promise<void> {
  const server = await PostgresServer.start(t, {
    max_connections: '24',
    superuser_reserved_connections: '0',
  });
  await server.prepare();
  const config = { DATABASE_URL: server.url, DATABASE_POOL_SIZE: 3, LOG_LEVEL: 'info' as const, ...settings };
  const lines = new LogLines();
  const a = await startApi(t, config);
  const client = new pg.Client(server.url);
  await client.connect();
  t.teardown(() => client.end());
  const ofA = await listeners(client);
  const b = await startApi(t, config, lines);
  const [ada, bob] = [await newPlayer(a.api, 'Ada'), await newPlayer(a.api, 'Bob')];
  const admin = await serviceApi(a, 'admin');
  const program = await a.app.serviceAccounts.create('game', 'server');
  const programToken = a.app.accessTokens.issue({ sub: program.id, role: 'server' }).token;
  const score = async (player: typeof ada, at = a) =>
    (await player.api.at(at.url).post('/v1/scores', { actionToken: mint(player.id) })).is(200, Receipt);
  const shown = async () => (await b.api.get('/v1/leaderboards/global/entries')).is(200, Entries);
  for (const player of [ada, bob]) await score(player);
  const cy = await newPlayer(a.api, 'Cy');
  (await admin.post(`/v1/admin/users/${cy.id}/ban`, { reason: 'A test.' })).is(200, ModeratedUser);
  await eventually(async () => assert.equal(await b.app.bans.has(cy.id), true));
  const stream = await BoardStream.open(t, b.url, 'limit=10');
  await eventually(async () => assert.equal((await shown()).total, 2));
  await projected(a.app, b.app);
  (await bob.api.at(b.url).get('/v1/users/me')).is(200, User);
  await b.api.get('/v1/actions');
  (await b.api.get('/health')).is(200, Health);

  // Whoever is quicker gets the connection that B loses; it is cut again until B has none.
  const slots = await takeAllSlots(server.url);
  const start = performance.now();
  await eventually(async () => {
    const ofB = (await listeners(client)).filter((pid) => !ofA.includes(pid));
    await client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid', [ofB]);
    while (await slots.take());
    assert.deepEqual(await listeners(client), ofA);
    assert.equal(b.app.changes.isCurrent, false);
  }, 20_000);

  await score(ada);
  await score(ada);
  (await ada.api.patch('/v1/users/me', { displayName: 'Countess' })).is(200, User);
  (await bob.api.post('/v1/auth/logout')).isEmpty(204);
  (await admin.post(`/v1/admin/users/${cy.id}/unban`, { reason: 'A test.' })).is(200, ModeratedUser);
  await a.app.serviceAccounts.revoke(await a.app.serviceAccounts.idOf('game'));
  const title = { title: 'Renamed', sort: 'desc', operator: 'increment' };
  (await admin.put('/v1/admin/leaderboards/global', title)).is(200, Leaderboard);
  const action = {
    id: 'collect-coin',
    title: 'Take it',
    points: { min: 20, max: 20 },
    leaderboards: ['global'],
  };
  const { id, ...rules } = { ...action, issuer: 'player', minDurationMs: 0 };
  (await admin.put(`/v1/admin/actions/${id}`, rules)).is(200, Action);

  (await bob.api.at(b.url).get('/v1/users/me')).fails('unauthenticated');
  (await b.api.as(programToken).post('/v1/users', { displayName: 'Eve' })).fails('unauthenticated');
  t.equal((await ada.api.at(b.url).get('/v1/users/me')).is(200, User).displayName, 'Countess');
  t.match(await shown(), { items: [{ displayName: 'Countess', score: 750 }, { score: 250 }] });
  t.equal((await b.api.get('/v1/leaderboards/global')).is(200, Leaderboard).title, 'Renamed');
  t.match((await b.api.get('/v1/actions')).body, { items: [{ title: 'Take it' }, {}, {}] });
  await eventually(async () =>
    assert.deepEqual(
      stream.board?.items.map(({ displayName, score }) => [displayName, score]),
      [
        ['Countess', 750],
        ['Bob', 250],
      ],
    ),
  );
  const ofCy = await BoardStream.open(t, b.url, `user=${cy.id}`);
  await eventually(async () => assert.equal(ofCy.own?.rank, null));
  t.ok(ofCy.isOpen, 'the ban was lifted');
  t.match(results(await score(ada, b)), [{ rank: 1, previousRank: 1, score: 1_000 }]);
  t.match((await b.api.get('/health')).is(503, Health), { checks: { database: 'error' } });
  (await a.api.get('/health')).is(200, Health);
  await eventually(async () => assert.equal(stream.board?.items[0]?.score, 1_000));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  await eventually(async () => assert.notEqual(lines.of(LOST).length, 0));
  t.match(lines.of(LOST), [{ level: 'error', data: { error: { message: /too many clients|slots/ } } }]);
  t.equal(lines.of(LOST).length, 1, `one line in ${seconds} s`);

  await slots.giveBack();
  await eventually(async () => (await b.api.get('/health')).is(200, Health));
  t.equal(lines.of(BACK).length, 1);
  await projected(b.app);
  await score(ada);
  await eventually(async () => {
    assert.equal((await shown()).items[0]?.score, 1_250);
    assert.equal(stream.board?.items[0]?.score, 1_250);
  });
  (await bob.api.at(b.url).get('/v1/users/me')).fails('unauthenticated');
  t.ok(stream.isOpen);
  t.ok(ofCy.isOpen);
  t.same([...stream.disorder, ...stream.falls], []);
}

t.test('all connections of PostgreSQL are taken, and one instance cannot listen any more, in memory', (t) =>
  deaf(t, { REDIS_MODE: 'off' }),
);

t.test(
  'all connections of PostgreSQL are taken, and one instance cannot listen any more, in Redis',
  async (t) => deaf(t, single((await RedisServer.start(t)).url)),
);
