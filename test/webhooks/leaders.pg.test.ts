import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Action } from '../../schemas/action.js';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { ModeratedUser } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { WebhookSecret } from '../../schemas/webhook.js';
import type { Change } from '../../src/changes/change.js';
import { toUuid } from '../../src/stored-ids.js';
import { Leaders } from '../../src/webhooks/leaders.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { addPlayers, openPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { startReceiver } from './receiver.js';

interface Told {
  readonly at: number;
  readonly leaderboard: string;
  readonly season: number;
  readonly userId: string | null;
  readonly score: number | null;
  readonly previousUserId: string | null;
}

const TOLD = `
SELECT extract(epoch FROM at)::float8 * 1000 AS at, data FROM webhook_deliveries WHERE type = 'leader.changed' ORDER BY id`;

async function toldIn(pool: ReturnType<typeof openPool>): Promise<Told[]> {
  const { rows } = await pool.query<{ at: number; data: Omit<Told, 'at'> }>(TOLD);
  return rows.map(({ at, data }) => ({ at, ...data }));
}

t.test('two instances tell each change of the leader once, at most once a second', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const config = { DATABASE_URL: databaseUrl, WEBHOOK_ALLOW_NETWORKS: ['127.0.0.1'] };
  const service = await startApi(t, config);
  const other = await buildTestApp(t, config);
  const admin = await serviceApi(service, 'admin');
  const server = await serviceApi(service, 'server');
  const receiver = await startReceiver(t, 204);
  const body = { url: receiver.url, events: ['leader.changed'] };
  (await admin.post('/v1/admin/webhooks', body)).is(201, WebhookSecret);
  const rules = { title: 'Cup', sort: 'desc', operator: 'increment' };
  (await admin.put('/v1/admin/leaderboards/cup', rules)).is(200, Leaderboard);
  const action = {
    title: 'Goal',
    points: { min: 1, max: 999 },
    leaderboards: ['cup'],
    issuer: 'server',
    minDurationMs: 0,
  };
  (await admin.put('/v1/admin/actions/goal', action)).is(200, Action);
  const ada = await newPlayer(service.api, 'Ada');
  const bob = await newPlayer(service.api, 'Bob');
  const pool = openPool(t, databaseUrl);
  const told = () => toldIn(pool);
  const last = async () => (await told()).at(-1);
  const score = async ({ id }: { id: string }, points: number, url = service.url) =>
    (
      await server
        .at(url)
        .post('/v1/scores', { actionToken: mint(id, { act: 'goal', pts: [points, points] }) })
    ).is(200, Receipt);

  await score(ada, 10);
  await eventually(async () => assert.equal((await last())?.userId, ada.id));
  let [leader, follower] = [ada, bob];
  // Each takes the lead in turn, at one instance and at the other.
  for (let n = 0; n < 40; n++) {
    [leader, follower] = [follower, leader];
    await score(leader, n === 0 ? 11 : 2, n % 2 === 0 ? service.url : other.url);
  }
  await eventually(async () => assert.equal((await last())?.userId, leader.id));
  (await admin.post(`/v1/admin/users/${leader.id}/ban`, { reason: 'Cheats' })).is(200, ModeratedUser);
  await eventually(async () => assert.equal((await last())?.userId, follower.id));
  (await admin.post(`/v1/admin/users/${follower.id}/ban`, { reason: 'Cheats' })).is(200, ModeratedUser);
  await eventually(async () => assert.equal((await last())?.userId, null));

  const all = await told();
  t.match(all[0], { leaderboard: 'cup', season: 1, userId: ada.id, score: 10, previousUserId: null });
  for (const [i, event] of all.slice(1).entries()) {
    const before = all[i];
    t.equal(event.previousUserId, before?.userId, 'each goes on from the one before');
    t.not(event.userId, event.previousUserId);
    t.ok(event.at - (before?.at ?? 0) >= 950, `${event.at - (before?.at ?? 0)} ms after the one before`);
  }
  await eventually(async () => assert.equal(receiver.received.length, all.length));
  t.match(JSON.parse(receiver.received[0]?.body ?? ''), { data: { displayName: 'Ada' } });
});

/** What watches a board without a service: the test says what it hears. */
async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const webhook = () =>
    pool.query(
      `INSERT INTO webhooks (id, url, events, format, sealed, sealed_by)
       VALUES (gen_random_uuid(), 'https://example.com', '{leader.changed}', 'standard', '', '')`,
    );
  const [ada = '', bob = ''] = await addPlayers(pool, 2);
  const enter = async (userId: string, score: number): Promise<Change> => {
    await pool.query(
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
       VALUES ('global', 1, $1, $2::bigint, -$2::bigint, now(), 1)
       ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE SET score = excluded.score, sort_key = excluded.sort_key, version = 2`,
      [toUuid('usr', userId), score],
    );
    return {
      type: 'scores',
      id: 'chg',
      writer: 'other',
      board: 'global:1',
      entries: [[userId, score, 0, 1]],
    };
  };
  const watch = async () => {
    const queries: string[] = [];
    const asking = openPool(t, databaseUrl);
    asking.on('acquire', () => queries.push('asked'));
    const errors: unknown[] = [];
    const leaders = new Leaders({ pool: asking, writer: 'test', onError: (error) => errors.push(error) });
    t.teardown(() => leaders.stop());
    leaders.start();
    await eventually(async () => assert.ok(queries.length >= 1));
    return { leaders, queries, errors };
  };
  const forget = () => pool.query("UPDATE published_leaders SET published_at = '-infinity'");
  return { pool, webhook, ada, bob, enter, watch, forget, told: () => toldIn(pool) };
}

t.test('scores that change no leader are compared, and ask nothing of PostgreSQL', async (t) => {
  const { webhook, ada, bob, enter, watch, told } = await open(t);
  const idle = await watch();
  const first = await enter(ada, 100);
  idle.leaders.hear(first);
  t.equal(idle.queries.length, 1, 'nobody wants to know');

  await webhook();
  const { leaders, queries, errors } = await watch();
  await eventually(async () => {
    leaders.hear(first);
    assert.equal((await told()).length, 1);
  });
  t.match(await told(), [{ userId: ada, previousUserId: null }]);
  await eventually(async () => {
    const before = queries.length;
    for (let n = 1; n < 100; n++) leaders.hear(await enter(bob, n));
    leaders.hear(await enter(ada, 100));
    assert.equal(queries.length, before);
  });
  leaders.hear(await enter(bob, 101));
  await eventually(async () => assert.equal((await told()).at(-1)?.userId, bob));
  t.same(errors, []);
});

t.test('two instances together tell no more than one change a second', async (t) => {
  const { webhook, ada, bob, enter, watch, told } = await open(t);
  await webhook();
  const [one, other] = [await watch(), await watch()];
  const first = await enter(ada, 100);
  await eventually(async () => {
    one.leaders.hear(first);
    assert.equal((await told()).length, 1);
  });
  const second = await enter(bob, 200);
  await eventually(async () => {
    other.leaders.hear(second);
    assert.equal((await told()).length, 2);
  });
  const [before, after] = await told();
  t.match(after, { userId: bob, previousUserId: ada });
  const ms = (after?.at ?? 0) - (before?.at ?? 0);
  t.ok(ms >= 950, `${ms} ms`);
});

t.test('a leader who was there before anybody asked is no news', async (t) => {
  const { pool, webhook, ada, bob, enter, watch, told } = await open(t);
  await enter(ada, 100);
  await enter(bob, 90);
  await webhook();
  const { leaders } = await watch();
  await eventually(async () => {
    leaders.hear(await enter(ada, 101));
    assert.equal((await pool.query('SELECT FROM published_leaders')).rowCount, 1);
  });
  t.same(await told(), []);
  leaders.hear(await enter(bob, 102));
  await eventually(async () => assert.equal((await told()).length, 1));
  t.match(await told(), [{ userId: bob, previousUserId: ada }]);
});

t.test('what nobody told, because an instance died, is told by another, or at the next start', async (t) => {
  const { webhook, ada, bob, enter, watch, told, forget } = await open(t);
  await webhook();
  const { leaders } = await watch();
  const first = await enter(ada, 100);
  await eventually(async () => {
    leaders.hear(first);
    assert.equal((await told()).length, 1);
  });
  await leaders.stop();
  await enter(bob, 200);
  await forget();
  await watch();
  await eventually(async () => assert.equal((await told()).at(-1)?.userId, bob));

  // Another one has told something else than what is true now, and died.
  const { leaders: living } = await watch();
  await enter(ada, 300);
  await forget();
  await eventually(async () => {
    living.hear({ type: 'leader', id: 'chg', writer: 'dead', board: 'global:1', userId: ada });
    assert.equal((await told()).at(-1)?.userId, ada);
  });
});
