import type pg from 'pg';
import t from 'tap';
import type { Difference } from '../../src/ledger/verification-statements.js';
import { verifyDigests } from '../../src/ledger/verify-digests.js';
import { transact } from '../../src/postgres/database.js';
import { buildTestDatabase } from '../helper.js';
import { close, endSeason } from './final-seasons.js';
import { openPool, prepare } from './game-server.js';
import { newLedger, submission } from './ledgers.js';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const MISSED = 200;

t.test('seasons are verified together, each by itself, and those without a score too', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 10);
  const pool = openPool(t, databaseUrl);
  const { ledger } = newLedger(pool);
  for (const season of [1, 2]) {
    for (const [i, user] of users.entries()) await ledger.record(submission(user, 10 * season + i));
    await endSeason(pool);
    await close(pool, 'global', season);
  }
  const missed = [3, 2 + MISSED];
  await pool.query(
    `INSERT INTO seasons (leaderboard_id, season, starts_at, ends_at, rules, state, entries, digest)
     SELECT 'global', n, to_timestamp(n), to_timestamp(n + 1), '{}', 'final', 0, $3 FROM generate_series($1::int, $2) n
     ON CONFLICT (leaderboard_id, season) DO UPDATE SET state = 'final', entries = 0, digest = $3`,
    [...missed, EMPTY],
  );
  const verified = () =>
    transact(pool, async (client) => {
      const differences: Difference[] = [];
      let queries = 0;
      const counted = {
        query<R extends pg.QueryResultRow>(text: string | pg.QueryConfig, values?: unknown[]) {
          queries++;
          return client.query<R>(text, values);
        },
      };
      const seasons = await verifyDigests(counted, {}, (difference) => differences.push(difference));
      return { seasons, queries, differences: differences.map(({ of, ledger }) => [of, ledger]) };
    });
  const { queries, ...right } = await verified();
  t.same(right, { seasons: 2 + MISSED, differences: [] });
  t.ok(queries < 10, `${queries} queries`);

  await pool.query(
    "UPDATE seasons SET digest = 'forged' WHERE leaderboard_id = 'global' AND season IN (2, 100)",
  );
  await pool.query(
    "INSERT INTO season_marks SELECT leaderboard_id, 101, rank, sort_key, achieved_at, user_id FROM season_marks WHERE rank = 3 AND season = 1 AND leaderboard_id = 'global'",
  );
  await pool.query(
    "UPDATE scores SET score = score + 100 WHERE leaderboard_id = 'global' AND season = 1 AND score = 11",
  );
  t.match((await verified()).differences, [
    ['global:1', /^the digest .* of 10 entries/],
    ['global:1', /in their place/],
    ['global:2', /^the digest .* of 10 entries/],
    ['global:100', `the digest ${EMPTY} of 0 entries`],
    ['global:101', 'that 0 of them are in their place'],
  ]);
});
