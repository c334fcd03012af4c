import assert from 'node:assert/strict';
import t from 'tap';
import { dropSeasons } from '../../src/catalog/drop-seasons.js';
import { purgeScores } from '../../src/catalog/purge-scores.js';
import { transact } from '../../src/postgres/database.js';
import { buildTestDatabase } from '../helper.js';
import { close, endSeason, seasonRow } from '../ledger/final-seasons.js';
import { openPool, prepare } from '../ledger/game-server.js';
import { newLedger, submission } from '../ledger/ledgers.js';
import { differencesAt } from '../ledger/old-months.js';
import { holding } from '../ledger/waiting.js';

const PLAYERS = 5;

t.test('a leaderboard keeps as many seasons as it should, and the others leave in bites', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, PLAYERS);
  const pool = openPool(t, databaseUrl);
  const { ledger } = newLedger(pool);
  for (let season = 1; season <= 4; season++) {
    for (const [i, user] of users.entries()) await ledger.record(submission(user, i));
    await endSeason(pool);
    if (season < 4) await close(pool, 'global', season);
  }
  await pool.query(
    `INSERT INTO archived_standings SELECT leaderboard_id, season, user_id, score, now() FROM scores
     WHERE leaderboard_id = 'global' AND season = 1`,
  );
  const drop = () => transact(pool, (client) => dropSeasons.bite(client, {}));
  const rowsOf = async (table: string) => {
    const { rows } = await pool.query<{ season: number; rows: number }>(
      `SELECT season, count(*) AS rows FROM ${table} WHERE leaderboard_id = 'global' GROUP BY 1 ORDER BY 1`,
    );
    return rows.map(({ season, rows: count }) => [season, count]);
  };
  const removedThrough = async () => {
    const { rows } = await pool.query<{ n: number }>(
      "SELECT removed_through AS n FROM leaderboards WHERE id = 'global'",
    );
    return rows[0]?.n;
  };
  const all = [1, 2, 3, 4].map((season) => [season, PLAYERS]);
  await drop();
  t.same(await removedThrough(), 0, 'by default it keeps all');
  await pool.query("UPDATE leaderboards SET keep_seasons = 1 WHERE id = 'global'");
  // A correction of one of them is under way.
  const commit = await holding(pool, (client) =>
    client.query(`SELECT pg_advisory_xact_lock_shared(7228504, n) FROM generate_series(0, 63) n`),
  );
  await drop();
  t.same(await removedThrough(), 0, 'which must be over first');
  await commit();
  await drop();
  t.same(await removedThrough(), 2, 'one that is not final yet does not count');
  t.same(await rowsOf('scores'), all, 'its scores are still there');
  let bites = 0;
  while (await purgeScores(pool, 3)) bites++;
  t.ok(bites > 4, `${bites} bites`);
  t.same(await rowsOf('scores'), all.slice(2));
  t.same(await rowsOf('season_marks'), [[3, 1]]);
  t.same(await rowsOf('archived_standings'), []);
  const { rows } = await pool.query<{ purged: boolean }>(
    "SELECT purged_at IS NOT NULL AS purged FROM seasons WHERE leaderboard_id = 'global' ORDER BY season",
  );
  t.same(
    rows.map(({ purged }) => purged),
    [true, true, false, false, false],
  );
  assert(/^[0-9a-f]{64}$/.test((await seasonRow(pool, 'global', 1)).digest ?? ''), 'what it was stays known');
  // As one that was missed, it is final before the one that was played.
  await endSeason(pool);
  await close(pool, 'global', 5);
  await drop();
  t.same(await removedThrough(), 3, 'what is still being closed stays');
  await close(pool, 'global', 4);
  await drop();
  t.same(await removedThrough(), 4);
  while (await purgeScores(pool, 100));
  t.same(await rowsOf('scores'), []);
  t.same(await differencesAt(databaseUrl), []);
});

t.test('also of seasons without a score some leave at a time', async (t) => {
  const pool = openPool(t, await buildTestDatabase(t));
  await pool.query(
    `INSERT INTO seasons (leaderboard_id, season, starts_at, ends_at, rules, state)
     SELECT 'global', n, to_timestamp(n), to_timestamp(n + 1), '{}', 'final' FROM generate_series(2, 25) n`,
  );
  await pool.query("UPDATE leaderboards SET removed_through = 25 WHERE id = 'global'");
  const removed: number[][] = [];
  const purged: number[] = [];
  let more = true;
  while (more) {
    more = await purgeScores(
      pool,
      10,
      async (boards) => removed.push(boards.map(({ season }) => season)) > 0,
    );
    purged.push((await pool.query('SELECT FROM seasons WHERE purged_at IS NOT NULL')).rowCount ?? 0);
  }
  t.same(purged, [10, 20, 25, 25]);
  t.same(
    removed.map((seasons) => [seasons.at(0), seasons.at(-1)]),
    [
      [1, 10],
      [11, 20],
      [21, 25],
    ],
  );
});
