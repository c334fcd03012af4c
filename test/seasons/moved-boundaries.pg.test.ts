import pg from 'pg';
import t from 'tap';
import type { Schedule } from '../../schemas/schedule.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { now } from '../../src/clock.js';
import { moveBoundaries } from '../../src/seasons/moved-boundaries.js';
import { buildTestDatabase } from '../helper.js';

const HOUR_MS = 3_600_000;
const pool = new pg.Pool({ connectionString: await buildTestDatabase(t) });
t.teardown(() => pool.end());
const catalog = new Catalog(pool, 'here');
const act = { actor: 'svc_1', reason: null };

/** Each day at the minute that was some hours ago or will be in some hours, to the full minute. */
const daily = (hours: number): Schedule => {
  const time = new Date(now() + hours * HOUR_MS);
  return { cron: `${time.getUTCMinutes()} ${time.getUTCHours()} * * *`, timeZone: 'Etc/UTC' };
};
const put = (id: string, schedule: Schedule) =>
  catalog.putLeaderboard({ id, title: 'Cup', sort: 'desc', operator: 'best', schedule }, act);

/** As if PostgreSQL had had other rules when it computed these boundaries. */
const shift = (id: string, hours: number) =>
  pool.query(
    `UPDATE leaderboards SET season_ends_at = season_ends_at + $2 * interval '1 hour',
       next_starts_at = next_starts_at + $2 * interval '1 hour', next_ends_at = next_ends_at + $2 * interval '1 hour'
     WHERE id = $1`,
    [id, hours],
  );
const boundaries = async (id: string) =>
  (
    await pool.query<{ times: string[] }>(
      `SELECT ARRAY[season_ends_at, next_starts_at, next_ends_at]::text[] AS times FROM leaderboards WHERE id = $1`,
      [id],
    )
  ).rows[0]?.times;
const lines = async (id: string) =>
  (await pool.query("SELECT FROM admin_audit WHERE action = 'move-boundaries' AND target = $1", [id]))
    .rowCount;
async function move(failed: unknown[] = []): Promise<void> {
  const client = await pool.connect();
  await client.query('BEGIN');
  await moveBoundaries('here', (error) => failed.push(error)).bite(client, { after: '' });
  await client.query('COMMIT');
  client.release();
}

t.test('a board in a time zone that PostgreSQL knows no more keeps no other from being moved', async (t) => {
  for (const id of ['a-lost', 'found']) await put(id, daily(-2));
  const right = await boundaries('found');
  await shift('found', 1);
  await pool.query(
    `UPDATE leaderboards SET schedule = schedule || '{"timeZone": "Nowhere/Lost"}' WHERE id = 'a-lost'`,
  );
  const failed: unknown[] = [];
  await move(failed);
  t.match(failed, [{ message: /Nowhere/ }]);
  t.same(await boundaries('found'), right);
  await pool.query(
    "DELETE FROM seasons WHERE leaderboard_id = 'a-lost'; DELETE FROM leaderboards WHERE id = 'a-lost'",
  );
});

t.test('new rules of a time zone move the boundaries of a schedule, with a line in the audit', async (t) => {
  for (const hours of [1, -1, 12]) {
    const id = `moved${hours}`;
    await put(id, daily(-2));
    const right = await boundaries(id);
    await shift(id, hours);
    await move();
    t.same(await boundaries(id), right);
    const { rows } = await pool.query(
      `SELECT a.actor, a.reason, a.details->'to'->>'endsAt' = to_char(s.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "isTold"
       FROM admin_audit a JOIN seasons s ON s.leaderboard_id = a.target AND s.season = 1
       WHERE a.target = $1 AND a.action = 'move-boundaries'`,
      [id],
    );
    t.same(rows, [
      { actor: 'service', reason: 'PostgreSQL has other rules for Etc/UTC than before.', isTold: true },
    ]);
  }
});

t.test('what is as the schedule says stays, without a line', async (t) => {
  const schedules: Schedule[] = [
    daily(5),
    { cron: '* * * * *', timeZone: 'Etc/UTC' },
    { every: 'week', timeZone: 'Africa/Cairo', activeMs: 2 * HOUR_MS },
    { every: 'hour', timeZone: 'Australia/Lord_Howe' },
    { every: 'year', timeZone: 'America/New_York' },
  ];
  for (const [i, schedule] of schedules.entries()) {
    await put(`same${i}`, schedule);
    const before = await boundaries(`same${i}`);
    await move();
    t.same(await boundaries(`same${i}`), before);
    t.equal(await lines(`same${i}`), 0);
  }
});

t.test('a boundary less than an hour away, or that would be, stays', async (t) => {
  await put('soon', daily(0.5));
  const right = await boundaries('soon');
  await shift('soon', 2);
  const far = await boundaries('soon');
  await move();
  t.same((await boundaries('soon'))?.slice(0, 2), far?.slice(0, 2), 'it would be');
  t.equal((await boundaries('soon'))?.[2], right?.[2], 'the one behind it moves');
  await put('near', daily(2));
  await shift('near', -1.75);
  const near = await boundaries('near');
  await move();
  t.same((await boundaries('near'))?.slice(0, 2), near?.slice(0, 2), 'it is');
});

t.test('an end that was set by hand stays, and only what follows moves', async (t) => {
  const endsAt = (hours: number) => new Date(now() + hours * HOUR_MS).toISOString();
  await put('by-hand', daily(5));
  await catalog.changeSeason('by-hand', 1, { endsAt: endsAt(7) }, act);
  const right = await boundaries('by-hand');
  await pool.query(
    "UPDATE leaderboards SET next_ends_at = next_ends_at + interval '1 hour' WHERE id = 'by-hand'",
  );
  await move();
  t.same(await boundaries('by-hand'), right);
  t.equal(await lines('by-hand'), 1);

  await put('next-by-hand', daily(5));
  await catalog.changeSeason('next-by-hand', 2, { endsAt: endsAt(35) }, act);
  const [end, start, nextEnd] = (await boundaries('next-by-hand')) ?? [];
  await shift('next-by-hand', 2);
  await pool.query("UPDATE leaderboards SET next_ends_at = $1 WHERE id = 'next-by-hand'", [nextEnd]);
  await move();
  t.same(await boundaries('next-by-hand'), [end, start, nextEnd]);

  // An end by the schedule before is no other.
  await put('other', daily(5));
  await put('other', daily(9));
  const before = await boundaries('other');
  await move();
  t.same(await boundaries('other'), before);
});
