import t, { type Test } from 'tap';
import { CHANGES_CHANNEL } from '../../src/changes/change.js';
import { UnplannedSeason } from '../../src/seasons/turn-page.js';
import { comingSeasons, faultsOfSeasons, PageTurner } from '../../src/seasons/turning.js';
import { buildTestDatabase } from '../helper.js';
import { close } from '../ledger/final-seasons.js';
import { openPool } from '../ledger/game-server.js';
import { turnPages } from './turn-pages.js';

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
     VALUES (gen_random_uuid(), 'https://example.com', '{season.ended,season.skipped,season.final}', 'standard', '', '')`,
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

t.test(
  'after a time without the service all seasons that were missed are final, and told of once',
  async (t) => {
    const HOURS = 2_500;
    const { pool, told, seasons, at } = await open(t, HOURS);
    const next = await turnPages(pool, 'here');
    const hour = Math.floor((Date.now() - at(0).getTime()) / HOUR_MS);
    t.ok(next !== null && next <= HOUR_MS && next > 0, 'the next one is awaited');
    // One that has ended a moment ago may still get a score.
    const moment = Date.now() - 20_000;
    t.same(
      (await seasons()).map(({ startsAt, endsAt, state, ...season }) => ({
        ...season,
        state: endsAt > moment && state === 'closing' ? 'final' : state,
        from: (startsAt - at(0).getTime()) / HOUR_MS,
        hours: (endsAt - startsAt) / HOUR_MS,
      })),
      Array.from({ length: hour + 3 }, (_, n) => ({
        season: 7 + n,
        state: n > hour ? 'open' : n < 2 ? 'closing' : 'final',
        from: n - 1,
        hours: 1,
      })),
    );
    const { rows } = await pool.query("SELECT season FROM leaderboards WHERE id = 'global'");
    t.same(rows, [{ season: 8 + hour }]);
    const ended = {
      type: 'season.ended',
      data: {
        leaderboard: 'global',
        season: 7,
        label: null,
        startsAt: at(-1).toISOString(),
        endsAt: at(0).toISOString(),
      },
    };
    const skipped = {
      type: 'season.skipped',
      data: {
        leaderboard: 'global',
        firstSeason: 8,
        lastSeason: 7 + hour,
        startsAt: at(0).toISOString(),
        endsAt: at(hour).toISOString(),
      },
    };
    t.same(await told(), [ended, skipped]);

    let bites = 0;
    for (const { season } of (await seasons()).filter(({ state }) => state === 'closing'))
      bites += await close(pool, 'global', season);
    t.ok(bites <= 6, `${bites} bites close those that were known, and the last`);
    const [, , ...final] = await told();
    t.match(final, { length: 1, 0: { type: 'season.final', data: { season: 7, entries: 0 } } });
    const { rows: same } = await pool.query(
      "SELECT count(*) AS seasons, count(DISTINCT digest) AS digests FROM seasons WHERE state = 'final' AND entries = 0",
    );
    t.same(same, [{ seasons: hour + 1, digests: 1 }], 'their digests are those of a season that was counted');
  },
);

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

t.test(
  'a board in a time zone that PostgreSQL knows no more goes on to the season that is known',
  async (t) => {
    const { pool, at } = await open(t, 0);
    await pool.query(
      `INSERT INTO leaderboards (id, title, sort, operator, schedule, season_ends_at, next_starts_at, next_ends_at)
     SELECT 'a-lost', title, sort, operator, '{"every": "hour", "timeZone": "Nowhere/Lost"}', season_ends_at, next_starts_at,
            next_ends_at FROM leaderboards WHERE id = 'global'`,
    );
    const faults: Error[] = [];
    const turner = new PageTurner({ pool, writer: 'here', onFault: (fault) => faults.push(fault) });
    for (let time = 0; time < 2; time++) await turner.turnDue();
    t.equal(faults.length, 1, 'that is reported once');
    const [fault] = faults;
    t.match(fault instanceof UnplannedSeason && fault.leaderboard, 'a-lost');
    t.match(fault?.cause, { message: /Nowhere/ });
    const { rows } = await pool.query(
      `SELECT l.id, l.season, l.season_ends_at AS "endsAt", l.next_starts_at < 'infinity' AS "hasNext", s.state
     FROM leaderboards l JOIN seasons s ON s.leaderboard_id = l.id AND s.season = l.season - 1 ORDER BY l.id`,
    );
    t.match(rows, [
      { id: 'a-lost', season: 2, endsAt: at(1).getTime(), hasNext: false, state: 'closing' },
      { id: 'global', season: 8, endsAt: at(1).getTime(), hasNext: true, state: 'closing' },
    ]);
  },
);

t.test('a board that fails is left alone for a while, and keeps no other from being turned', async (t) => {
  const { pool } = await open(t, 0);
  // What a sequence has counted stays when the transaction is rolled back.
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator, season_ends_at, next_starts_at)
    SELECT 'a-broken', title, sort, operator, season_ends_at, next_starts_at FROM leaderboards WHERE id = 'global';
    CREATE SEQUENCE tries;
    CREATE TABLE reasons AS SELECT 'Refused' AS reason;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM nextval('tries'); RAISE '%', (SELECT reason FROM reasons); END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON leaderboards FOR EACH ROW WHEN (new.id = 'a-broken') EXECUTE FUNCTION refuse()`);
  const faults: Error[] = [];
  const turner = new PageTurner({ pool, writer: 'here', onFault: (fault) => faults.push(fault) });
  const next = await turner.turnDue();
  t.ok(next !== null && next > 0 && next <= HOUR_MS, `the next one is awaited for ${next} ms`);
  const { rows } = await pool.query('SELECT id, season FROM leaderboards ORDER BY id');
  t.same(rows, [
    { id: 'a-broken', season: 1 },
    { id: 'global', season: 8 },
  ]);
  for (let time = 0; time < 20; time++) await turner.turnDue();
  for (let time = 0; time < 20; time++) await turner.turn(['a-broken', 'global']);
  const message = 'The page of the leaderboard "a-broken" cannot be turned';
  t.match(faults, [{ message, cause: { message: 'Refused' } }]);
  t.equal(faults.length, 1, 'its cause is reported once');
  const tries = async () =>
    (await pool.query<{ tries: number }>('SELECT last_value AS tries FROM tries')).rows[0]?.tries ?? 0;
  const tried = await tries();
  t.ok(tried < 20, `it was tried ${tried} times, each time after a longer pause`);

  await pool.query("UPDATE reasons SET reason = 'Refused otherwise'");
  while ((await tries()) === tried) await turner.turnDue();
  t.match(faults, { length: 2, 1: { message, cause: { message: 'Refused otherwise' } } });
  await pool.query('DROP TRIGGER refuse ON leaderboards');
  const seasonOf = async () =>
    (await pool.query<{ season: number }>("SELECT season FROM leaderboards WHERE id = 'a-broken'")).rows[0]
      ?.season;
  while ((await seasonOf()) === 1) await turner.turnDue();
  t.equal(faults.length, 2, 'and it is turned as soon as it can be');
});

t.test('boards without a season to come, and those that are not turned, are counted', async (t) => {
  const { pool, at } = await open(t, 1);
  t.same(await faultsOfSeasons(pool), { unplanned: 0, overdue: 1 });
  await turnPages(pool, 'here');
  t.same(await faultsOfSeasons(pool), { unplanned: 0, overdue: 0 });
  await pool.query(
    "UPDATE leaderboards SET next_starts_at = 'infinity', next_ends_at = 'infinity' WHERE id = 'global'",
  );
  t.same(await faultsOfSeasons(pool), { unplanned: 1, overdue: 0 });
  const last = [{ startsAt: at(0).toISOString(), endsAt: at(1).toISOString() }];
  await pool.query("UPDATE leaderboards SET schedule = $1 WHERE id = 'global'", [{ seasons: last }]);
  t.same(await faultsOfSeasons(pool), { unplanned: 0, overdue: 0 }, 'a list of seasons may end');
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
