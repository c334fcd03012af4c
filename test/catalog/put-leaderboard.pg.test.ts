import t from 'tap';
import { type LeaderboardRules, putLeaderboard } from '../../src/catalog/put-leaderboard.js';
import { setClock } from '../../src/clock.js';
import { transact } from '../../src/postgres/database.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';

const HOUR_MS = 3_600_000;
const RULES = { title: 'Cup', sort: 'desc', operator: 'increment' } as const;

const pool = openPool(t, await buildTestDatabase(t));
const put = (id: string, more: Partial<LeaderboardRules> = {}) =>
  transact(pool, (client) => putLeaderboard(client, { id, ...RULES, ...more }));
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const seasonIn = (startMs: number) => ({
  seasons: [{ startsAt: inMs(startMs), endsAt: inMs(startMs + HOUR_MS) }],
});

t.test('what a schedule brings is decided by the clock of the database', async (t) => {
  await put('open');
  t.teardown(() => setClock(Date.now()));
  for (const wrongMs of [-24 * HOUR_MS, 24 * HOUR_MS]) {
    setClock(Date.now() + wrongMs);
    const { seasonEndsAt } = await put(`made${wrongMs}`, { schedule: { every: 'hour' } });
    const ahead = Date.parse(seasonEndsAt ?? '') - Date.now();
    t.ok(ahead > 0 && ahead < 1.1 * HOUR_MS, `in ${ahead} ms`);
    const schedule = seasonIn(HOUR_MS);
    const changed = await put('open', { schedule });
    t.equal(changed.seasonEndsAt, schedule.seasons[0]?.startsAt);
    await pool.query(
      "UPDATE leaderboards SET season_ends_at = 'infinity', next_starts_at = 'infinity', next_ends_at = 'infinity', schedule = NULL",
    );
  }
});

t.test('no season ends within five seconds of the change that says so', async (t) => {
  const justBeginning = { code: 'season-changed', message: /just beginning/ };
  await put('soon');
  await t.rejects(put('soon', { schedule: seasonIn(4_500) }), justBeginning);
  const later = seasonIn(60_000);
  t.equal((await put('soon', { schedule: later })).seasonEndsAt, later.seasons[0]?.startsAt);

  await put('slow');
  await pool.query(`
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(6); RETURN new; END $$;
    CREATE TRIGGER slow BEFORE UPDATE ON leaderboards FOR EACH ROW WHEN (new.id = 'slow') EXECUTE FUNCTION take_time()`);
  const slow = transact(pool, async (client) => {
    await client.query("SET LOCAL statement_timeout = '1min'");
    await putLeaderboard(client, { id: 'slow', ...RULES, schedule: seasonIn(6_500) });
  });
  await t.rejects(slow, { code: 'service-unavailable', message: /took too long/ });
  const { rows } = await pool.query("SELECT schedule FROM leaderboards WHERE id = 'slow'");
  t.same(rows, [{ schedule: null }], 'and nothing has changed');
});
