import assert from 'node:assert/strict';
import pg from 'pg';
import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { mint } from '../mint.js';

/** More than PostgreSQL needs to settle on a plan, which it then keeps. */
const SCORES = 24;

t.test('a plan that was made while the tables were empty scans none of them later', async (t) => {
  const DATABASE_URL = await buildTestDatabase(t);
  const client = new pg.Client(DATABASE_URL);
  await client.connect();
  t.teardown(() => client.end());
  // As autovacuum does: only then does PostgreSQL believe that they are empty.
  await client.query('VACUUM ANALYZE');
  const { app, api } = await startApi(t, { DATABASE_URL });
  const tables = async () => {
    const { rows } = await client.query<{ name: string; scans: number; inserted: number }>(
      `SELECT relname AS name, seq_scan::int AS scans, n_tup_ins::int AS inserted FROM pg_stat_user_tables
       WHERE relname ~ '^(users|scores|score_events|consumed_tokens)' ORDER BY relname`,
    );
    return rows;
  };
  const players = await Promise.all(Array.from({ length: 3 }, () => newPlayer(api)));
  const before = await tables();
  for (let n = 0; n < SCORES; n++) {
    const player = players[n % players.length];
    if (player === undefined) throw new Error('There is no player');
    (await player.api.post('/v1/scores', { actionToken: mint(player.id) })).is(200, Receipt);
  }
  // A connection reports what it did at its end.
  await app.close();
  await eventually(async () => {
    const events = (await tables()).filter(({ name }) => name.startsWith('score_events'));
    assert.equal(
      events.reduce((sum, { inserted }) => sum + inserted, 0),
      SCORES,
    );
  });
  const scans = (rows: Awaited<ReturnType<typeof tables>>) => rows.map(({ name, scans }) => [name, scans]);
  t.same(scans(await tables()), scans(before));
});
