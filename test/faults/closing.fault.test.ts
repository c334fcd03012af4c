import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type pg from 'pg';
import t from 'tap';
import { WebhookSecret } from '../../schemas/webhook.js';
import { fromUuid } from '../../src/stored-ids.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool, prepare } from '../ledger/game-server.js';
import { addEvents } from '../ledger/old-months.js';
import { startReceiver, verified } from '../webhooks/receiver.js';
import { startService } from './service.js';

const Posted = Type.Object({ type: Type.String(), data: Type.Object({ season: Type.Integer() }) });

/** More than a bite has. */
const ENTRIES = 5_100;
const GATE = 77;
/** What a service that was killed had just claimed to deliver is left alone for a while. */
const CLAIMS_END_MS = 60_000;

/** Where the service can be held, just before and just after: a table, what is done to its rows, and to which. */
const STEPS = {
  turn: ['leaderboards', 'UPDATE', 'NEW.season > OLD.season'],
  ask: ['scoreboard_jobs._private_jobs', 'INSERT', "NEW.key LIKE 'close-season:global:%'"],
  close: ['seasons', 'UPDATE', 'OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL'],
  bite: ['seasons', 'UPDATE', 'NEW.cursor IS NOT NULL'],
  finish: ['seasons', 'UPDATE', "OLD.state = 'closing' AND NEW.state = 'final'"],
  publish: ['webhook_deliveries', 'INSERT', "NEW.type = 'season.final'"],
  forget: ['scoreboard_jobs._private_jobs', 'INSERT', "NEW.key LIKE 'forget-season:global:%'"],
  drop: ['leaderboards', 'UPDATE', 'NEW.removed_through > OLD.removed_through'],
  purge: ['scores', 'DELETE', 'true'],
} as const;
type Step = keyof typeof STEPS;

/** Each holds what comes to it if its name is in the table `gate`, as long as the test has the lock. */
async function makeGates(pool: pg.Pool): Promise<void> {
  await pool.query(`
    CREATE TABLE gate (name text);
    CREATE TABLE finals (leaderboard_id text, season integer);
    CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM gate WHERE name = TG_NAME) THEN PERFORM pg_advisory_xact_lock(${GATE}); END IF;
      RETURN coalesce(NEW, OLD);
    END $$;
    CREATE FUNCTION count_final() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO finals VALUES (NEW.leaderboard_id, NEW.season);
      RETURN NULL;
    END $$;
    CREATE TRIGGER finals AFTER UPDATE ON seasons FOR EACH ROW
      WHEN (OLD.state <> 'final' AND NEW.state = 'final') EXECUTE FUNCTION count_final();`);
  for (const [step, [table, event, condition]] of Object.entries(STEPS))
    for (const time of ['before', 'after'])
      await pool.query(
        `CREATE TRIGGER ${time}_${step} ${time} ${event} ON ${table} FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION pass()`,
      );
}

/** The standings that the events alone give: of these each player has one. */
async function standings(pool: pg.Pool): Promise<{ digest: string; entries: number }> {
  const { rows } = await pool.query<{ user: string; points: number; at: number }>(
    `SELECT user_id AS user, points, accepted_at AS at FROM score_events WHERE boards @> '{"global": 1}'`,
  );
  const inOrder = rows.sort((a, b) => b.points - a.points || a.at - b.at || (a.user < b.user ? -1 : 1));
  const hash = createHash('sha256');
  for (const [i, { user, points, at }] of inOrder.entries())
    hash.update(`${i + 1} ${fromUuid('usr', user)} ${points} ${new Date(at).toISOString()}\n`);
  return { digest: hash.digest('hex'), entries: rows.length };
}

t.test('a season is final once, though the service is killed at each step of its closing', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const first = await startApi(t, { DATABASE_URL: databaseUrl });
  const admin = await serviceApi(first, 'admin');
  await first.app.close();
  await prepare(databaseUrl, 0);
  const pool = openPool(t, databaseUrl, { application_name: 'test', max: 2 });
  const receiver = await startReceiver(t, 204);
  const users = await addPlayers(pool, ENTRIES);
  const now = Date.now();
  await addEvents(
    pool,
    users.map((user, i) => ({ user, points: (i * 7) % 901, at: now - 60_000 - (i % 13) })),
  );
  await pool.query(`
    INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
    SELECT 'global', 1, user_id, points, -points, accepted_at, 1 FROM score_events`);
  await makeGates(pool);

  const start = () => startService(t, databaseUrl, { WEBHOOK_ALLOW_NETWORKS: '127.0.0.1' });
  const withoutGate = await start();
  const { secret } = (
    await admin
      .at(withoutGate.url)
      .post('/v1/admin/webhooks', { url: receiver.url, events: ['season.ended', 'season.final'] })
  ).is(201, WebhookSecret);
  withoutGate.process.kill('SIGKILL');
  await withoutGate.ended;

  const gate = await pool.connect();
  t.teardown(() => gate.release(true));
  /** Kills a service as soon as it has come so far. Nothing that it has not committed stays. */
  const killAt = async (time: 'before' | 'after', step: Step) => {
    await gate.query(`SELECT pg_advisory_lock(${GATE})`);
    await pool.query('INSERT INTO gate VALUES ($1)', [`${time}_${step}`]);
    const service = await start();
    await eventually(async () => {
      const { rowCount } = await pool.query(
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
      );
      assert((rowCount ?? 0) > 0, `${time} ${step}`);
    });
    service.process.kill('SIGKILL');
    await service.ended;
    await pool.query('DELETE FROM gate');
    await gate.query(`SELECT pg_advisory_unlock(${GATE})`);
    await eventually(async () => {
      const { rowCount } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'test'
           AND backend_type = 'client backend'`,
      );
      assert.equal(rowCount, 0);
    });
    // Else they would be found when they have not been heard of for long.
    await pool.query(
      'SELECT FROM scoreboard_jobs.force_unlock_workers(ARRAY(SELECT locked_by FROM scoreboard_jobs.jobs WHERE locked_by IS NOT NULL))',
    );
    t.pass(`killed ${time} ${step}`);
  };
  const end = (season: number) =>
    pool.query(
      `UPDATE leaderboards SET season_ends_at = now() - interval '20 seconds', next_starts_at = now() - interval '20 seconds',
         next_ends_at = now() + interval '1 hour' WHERE id = 'global' AND season = $1`,
      [season],
    );
  const seasonRow = async (season: number) => {
    const { rows } = await pool.query<{ state: string; entries: number; digest: string; isPurged: boolean }>(
      `SELECT state, entries, digest, purged_at IS NOT NULL AS "isPurged" FROM seasons
       WHERE leaderboard_id = 'global' AND season = $1`,
      [season],
    );
    return rows[0];
  };

  await end(1);
  await killAt('before', 'turn');
  await killAt('after', 'turn');
  await killAt('before', 'ask');
  await killAt('after', 'ask');
  await killAt('before', 'close');
  await killAt('after', 'close');
  await killAt('before', 'bite');
  await killAt('after', 'bite');
  await killAt('before', 'finish');
  await killAt('after', 'publish');
  await killAt('after', 'forget');
  const expected = { state: 'final', ...(await standings(pool)), isPurged: false };
  let service = await start();
  await eventually(async () => assert.deepEqual(await seasonRow(1), expected));
  // An event may arrive again after a kill, with its id.
  const ids = () => new Set(receiver.received.map(({ headers }) => headers['webhook-id']));
  await eventually(async () => assert.equal(ids().size, 2), CLAIMS_END_MS);
  await end(2);
  await eventually(async () => assert.equal((await seasonRow(2))?.state, 'final'));
  service.process.kill('SIGKILL');
  await service.ended;

  await pool.query("UPDATE leaderboards SET keep_seasons = 1 WHERE id = 'global'");
  await pool.query("UPDATE scoreboard_jobs._private_jobs SET run_at = now() WHERE key = 'drop-seasons:all'");
  await killAt('before', 'drop');
  await killAt('after', 'drop');
  await killAt('before', 'purge');
  await killAt('after', 'purge');
  service = await start();
  await eventually(async () => assert.deepEqual(await seasonRow(1), { ...expected, isPurged: true }), 60_000);
  t.equal((await pool.query("SELECT FROM scores WHERE leaderboard_id = 'global'")).rowCount, 0);
  const { rows: finals } = await pool.query('SELECT * FROM finals ORDER BY season');
  t.same(finals, [
    { leaderboard_id: 'global', season: 1 },
    { leaderboard_id: 'global', season: 2 },
  ]);
  await eventually(async () => {
    const events = receiver.received.map((request) => {
      const { type, data } = Value.Parse(Posted, verified(secret, request));
      return `${type} ${data.season} ${request.headers['webhook-id']}`;
    });
    const kinds = [...new Set(events)].map((event) => event.slice(0, event.lastIndexOf(' '))).sort();
    assert.deepEqual(kinds, ['season.ended 1', 'season.ended 2', 'season.final 1', 'season.final 2']);
  }, CLAIMS_END_MS);
});
