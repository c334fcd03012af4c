import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { CHANGES_CHANNEL } from '../../src/changes/change.js';
import { comingSeasons, turnPages } from '../../src/seasons/turning.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';

const HOUR_MS = 3_600_000;

/** The board `global`, whose seasons have followed each other by the hour, unturned since so many hours and a part of one. */
async function open(t: Test, hours: number) {
  const pool = openPool(t, await buildTestDatabase(t));
  const start = Math.floor(Date.now() / HOUR_MS - hours) * HOUR_MS;
  const at = (n: number) => new Date(start + n * HOUR_MS);
  await pool.query(
    `UPDATE leaderboards SET schedule = '{"every": "hour"}', season = 7, season_starts_at = $1, season_ends_at = $2,
       next_starts_at = $2, next_ends_at = $3 WHERE id = 'global'`,
    [at(-1), at(0), at(1)],
  );
  await pool.query(
    `INSERT INTO webhooks (id, url, events, format, sealed, sealed_by)
     VALUES (gen_random_uuid(), 'https://example.com', '{season.ended,season.skipped}', 'standard', '', '')`,
  );
  const told = async () =>
    (
      await pool.query<{ type: string; data: object }>(
        'SELECT type, data FROM webhook_deliveries ORDER BY id',
      )
    ).rows;
  const seasons = async () => {
    const { rows } = await pool.query<{ season: number; startsAt: number; endsAt: number; state: string }>(
      `SELECT season, starts_at AS "startsAt", ends_at AS "endsAt", state FROM seasons
       WHERE leaderboard_id = 'global' AND season > 6 ORDER BY season`,
    );
    return rows;
  };
  const client = await pool.connect();
  t.teardown(() => client.release(true));
  let heard = 0;
  client.on('notification', () => heard++);
  await client.query(`LISTEN ${CHANGES_CHANNEL}`);
  /** How many changes were announced. */
  const announced = async () => {
    await client.query('SELECT');
    return heard;
  };
  return { pool, told, seasons, announced, at };
}

t.test('after a time without the service all seasons that were missed are there, and empty', async (t) => {
  const HOURS = 2_500;
  const { pool, told, seasons, at } = await open(t, HOURS);
  const next = await turnPages(pool, 'here');
  const hour = Math.floor((Date.now() - at(0).getTime()) / HOUR_MS);
  t.ok(next !== null && next <= HOUR_MS && next > 0, 'the next one is awaited');
  t.same(
    (await seasons()).map(({ startsAt, endsAt, ...season }) => ({
      ...season,
      from: (startsAt - at(0).getTime()) / HOUR_MS,
      hours: (endsAt - startsAt) / HOUR_MS,
    })),
    Array.from({ length: hour + 3 }, (_, n) => ({
      season: 7 + n,
      state: n > hour ? 'open' : 'closing',
      from: n - 1,
      hours: 1,
    })),
  );
  const { rows } = await pool.query("SELECT season FROM leaderboards WHERE id = 'global'");
  t.same(rows, [{ season: 8 + hour }]);
  const events = await told();
  t.match(events[0], {
    type: 'season.ended',
    data: {
      leaderboard: 'global',
      season: 7,
      label: null,
      startsAt: at(-1).toISOString(),
      endsAt: at(0).toISOString(),
    },
  });
  const missed = events.slice(1).map(({ type, data }) => {
    assert('firstSeason' in data && 'lastSeason' in data);
    return [type, data.firstSeason, data.lastSeason];
  });
  t.same(
    missed.map(([type]) => type),
    missed.map(() => 'season.skipped'),
  );
  t.ok(missed.length <= 1 + HOURS / 1_000, 'they are told of together');
  t.equal(missed[0]?.[1], 8);
  t.equal(missed.at(-1)?.[2], 7 + hour);
});

t.test('of several instances that come to it at once, one turns the page', async (t) => {
  const { pool, told, seasons, announced } = await open(t, 0);
  await Promise.all(Array.from({ length: 8 }, () => turnPages(pool, 'here')));
  const turned = await seasons();
  t.equal(await announced(), 1);
  t.equal((await told()).length, 1);
  await turnPages(pool, 'here');
  t.same(await seasons(), turned, 'and nobody turns it again');
  t.equal(await announced(), 1);
});

t.test('a board in a time zone that PostgreSQL knows no more keeps no other from being turned', async (t) => {
  const { pool } = await open(t, 0);
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator, schedule, season_ends_at, next_starts_at, next_ends_at)
     SELECT 'a-lost', title, sort, operator, '{"every": "hour", "timeZone": "Nowhere/Lost"}', season_ends_at, next_starts_at,
            next_ends_at FROM leaderboards WHERE id = 'global'`,
  );
  await t.rejects(turnPages(pool, 'here'), {
    errors: [{ message: 'The page of the leaderboard "a-lost" cannot be turned' }],
  });
  const { rows } = await pool.query('SELECT id, season FROM leaderboards ORDER BY id');
  t.same(rows, [
    { id: 'a-lost', season: 1 },
    { id: 'global', season: 8 },
  ]);
});

t.test('a batch that is being written holds no page up', async (t) => {
  const { pool, seasons } = await open(t, 0);
  const client = await pool.connect();
  t.teardown(() => client.release(true));
  await client.query("BEGIN; SELECT FROM leaderboards WHERE id = 'global' FOR KEY SHARE");
  await turnPages(pool, 'here');
  t.equal((await seasons())[0]?.state, 'closing');
});

t.test(
  'a season that ends before the next one begins is over until then, and stays the one of its board',
  async (t) => {
    const { pool, told } = await open(t, 0);
    await pool.query(
      `UPDATE leaderboards SET schedule = '{"seasons": []}', next_starts_at = now() + interval '5 seconds',
       next_ends_at = now() + interval '90 seconds', season_ends_at = now() - interval '1 second' WHERE id = 'global'`,
    );
    await turnPages(pool, 'here');
    const { rows } = await pool.query(
      `SELECT l.season, s.state FROM leaderboards l JOIN seasons s ON s.leaderboard_id = l.id AND s.season = l.season`,
    );
    t.same(rows, [{ season: 7, state: 'closing' }]);
    t.match(await told(), [{ type: 'season.ended' }]);
    t.same(await comingSeasons(pool, 10_000), [{ leaderboard: 'global', season: 7, sort: 'desc' }]);
    t.same(await comingSeasons(pool, 1_000), []);
    // The last one.
    await pool.query(
      "UPDATE leaderboards SET next_starts_at = season_ends_at, next_ends_at = now() + interval '1 hour' WHERE id = 'global'",
    );
    await turnPages(pool, 'here');
    await pool.query("UPDATE leaderboards SET season_ends_at = now() WHERE id = 'global'");
    t.equal(await turnPages(pool, 'here'), null, 'nothing more is due');
    const last = await pool.query('SELECT season, state FROM seasons WHERE season > 7');
    t.same(last.rows, [{ season: 8, state: 'closing' }]);
  },
);
