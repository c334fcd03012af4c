import assert from 'node:assert/strict';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { CHANGES_CHANNEL, parseChange } from '../../src/changes/change.js';
import { JobRunner } from '../../src/jobs/runner.js';
import { CLOSE_SEASONS, closeSeason, closeSeasons, forgetSeason } from '../../src/ledger/closing.js';
import { recordBatch } from '../../src/ledger/submission.js';
import { transact } from '../../src/postgres/database.js';
import { CLOSE_SEASON } from '../../src/seasons/corrections.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { typeId } from '../mint.js';
import { close, endSeason, finalOf, finalRow, SIZES, seasonRow } from './final-seasons.js';
import { addPlayers, openPool, prepare } from './game-server.js';
import { newLedger, submission } from './ledgers.js';
import { holding, waiting } from './waiting.js';

const GLOBAL = { leaderboard: 'global', season: 1 };

async function open(t: Test, players: number) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, players);
  const pool = openPool(t, databaseUrl);
  const { ledger } = newLedger(pool);
  // Some of them equal.
  for (const [i, user] of users.entries()) await ledger.record(submission(user, (i * 7) % 5));
  await pool.query(`
    INSERT INTO webhooks (id, url, events, format, sealed, sealed_by)
    VALUES (gen_random_uuid(), 'https://example.com', '{season.final}', 'standard', '', '')`);
  const told = async () => {
    const { rows } = await pool.query<{ data: object }>('SELECT data FROM webhook_deliveries ORDER BY id');
    return rows.map(({ data }) => data);
  };
  const jobs = async () => {
    const { rows } = await pool.query<{ key: string }>(
      'SELECT key FROM scoreboard_jobs.jobs WHERE key IS NOT NULL ORDER BY 1',
    );
    return rows.map(({ key }) => key);
  };
  return { databaseUrl, users, pool, ledger, told, jobs };
}

t.test('a season that has ended becomes final, bite by bite, and tells so', async (t) => {
  const { pool, ledger, users, told } = await open(t, 11);
  await endSeason(pool);
  for (const user of users) await ledger.record(submission(user, 9));
  const heard: unknown[] = [];
  const client = await pool.connect();
  t.teardown(() => client.release(true));
  client.on('notification', ({ payload = '' }) => heard.push(parseChange(payload)));
  await client.query(`LISTEN ${CHANGES_CHANNEL}`);
  t.equal(await close(pool), 4, 'closing, and bites of 4, 4 and 3');
  t.same(await finalRow(pool), await finalOf(pool));
  t.match(await finalOf(pool), { entries: 11, marks: { length: 3 } });
  const { digest } = await finalOf(pool);
  t.match(await told(), [{ ...GLOBAL, label: null, startsAt: null, entries: 11, digest, revision: 1 }]);
  t.match(await told(), [{ top: { length: 10, 0: { rank: 1, score: 4 }, 9: { rank: 10, score: 0 } } }]);
  await client.query('SELECT');
  t.match(heard, [{ type: 'season-final', ...GLOBAL }]);
  const { rows } = await pool.query(
    "SELECT closed_through = season_starts_at AS closed FROM leaderboards WHERE id = 'global'",
  );
  t.same(rows, [{ closed: true }]);
});

t.test('a season without entries, or with as many as a bite has, becomes final too', async (t) => {
  const { pool } = await open(t, SIZES.entries);
  await endSeason(pool);
  await close(pool);
  t.same(await finalRow(pool), await finalOf(pool));
  await endSeason(pool);
  await close(pool, 'global', 2);
  t.same(await finalRow(pool, 'global', 2), await finalOf(pool, 'global', 2));
  t.match(await finalRow(pool, 'global', 2), { entries: 0, marks: [] });
});

t.test('killed between any two of its steps, or within one, a closing goes on', async (t) => {
  const { pool, databaseUrl, told, jobs } = await open(t, 10);
  const bites = [closeSeasons(0), ...Array(4).fill(closeSeason('test', SIZES))];
  const payloadOf = (i: number) => (i === 0 ? {} : { leaderboard: 'best-race', season: 1 });
  const reset = async () => {
    await pool.query(`
      UPDATE seasons SET state = 'closing', closed_at = NULL, cursor = NULL, digest = NULL, entries = NULL
      WHERE leaderboard_id = 'best-race' AND season = 1`);
    await pool.query('DELETE FROM season_marks');
    await pool.query('DELETE FROM webhook_deliveries');
    await pool.query('DELETE FROM scoreboard_jobs._private_jobs');
  };
  await endSeason(pool, 'best-race');
  const expected = await finalOf(pool, 'best-race');
  for (let done = 0; done < bites.length; done++) {
    await reset();
    for (const [i, job] of bites.slice(0, done).entries())
      await transact(pool, (client) => job.bite(client, payloadOf(i)));
    await assert.rejects(
      transact(pool, async (client) => {
        await bites[done]?.bite(client, payloadOf(done));
        throw new Error('killed');
      }),
      /killed/,
    );
    // What the process that was killed has left of the queue, as it is found when another looks for the jobs of dead ones.
    await pool.query(
      "UPDATE scoreboard_jobs._private_jobs SET locked_by = 'dead', locked_at = now() - interval '1 hour'",
    );
    const forgotten: string[] = [];
    const runner = new JobRunner({
      pool: openPool(t, databaseUrl, { max: 3 }),
      atATime: 2,
      jobs: [
        closeSeasons(0),
        closeSeason('test', SIZES),
        forgetSeason(async (boards) => forgotten.push(...boards.map(({ text }) => text)) > 0),
      ],
      addStanding: (client) =>
        client.query(
          `SELECT FROM scoreboard_jobs.add_job('${CLOSE_SEASONS.name}', '{}', job_key := 'close-seasons:all')`,
        ),
      onError: (error) => t.fail(String(error)),
      onDetail: () => {},
    });
    runner.start();
    await eventually(async () => assert.equal((await seasonRow(pool, 'best-race')).state, 'final'));
    await runner.stop();
    t.same(await finalRow(pool, 'best-race'), expected, `after ${done} steps`);
    t.equal((await told()).length, 1, 'it is told once');
    t.ok((await jobs()).includes('forget-season:best-race:1'));
  }
});

t.test('seasons are closed when they have settled, each leaderboard in its order', async (t) => {
  const { pool, jobs } = await open(t, 3);
  const look = (settleMs?: number) => transact(pool, (client) => closeSeasons(settleMs).bite(client, {}));
  await endSeason(pool);
  await endSeason(pool);
  await endSeason(pool, 'best-race');
  await look(3_600_000);
  t.same(await jobs(), ['close-seasons:all'], 'nothing is due');
  await pool.query(
    `UPDATE leaderboards SET late_tokens = 'issued', grace_ms = 3600000 WHERE id = 'best-race'`,
  );
  await look();
  t.same(await jobs(), ['close-season:global:1', 'close-seasons:all'], 'tokens have their grace');
  await close(pool);
  await pool.query("DELETE FROM scoreboard_jobs._private_jobs WHERE key = 'close-season:global:1'");
  await look();
  t.ok((await jobs()).includes('close-season:global:2'));
});

/** A batch with a score of two minutes ago, which is written and not committed, however its instance fares. */
async function hangingBatch(pool: pg.Pool, user: string, textOf = (text: string) => text) {
  const pending = {
    ...submission(user, 50),
    arrivedAt: 0,
    isOfOtherSeason: true,
    resolve: () => {},
    reject: () => {},
  };
  const entrant = { pending: { ...pending, eventId: typeId('evt') }, age: 120_000, held: false };
  const { text, values } = recordBatch([entrant], 'test', 'chg');
  return await holding(pool, (client) => client.query(textOf(text), values));
}

t.test('the fence waits for a batch that hangs, and no other score waits for that', async (t) => {
  const { pool, ledger, users } = await open(t, 5);
  const [hanging = ''] = await addPlayers(pool, 1);
  await endSeason(pool);
  const commit = await hangingBatch(pool, hanging);
  const bite = () => transact(pool, (client) => closeSeason('test', SIZES).bite(client, GLOBAL));
  await bite();
  await bite();
  t.match(await seasonRow(pool), { state: 'closing', isClosed: false }, 'the batch holds it up');
  t.match(await ledger.record(submission(users[0] ?? '', 3)), { leaderboards: { length: 3 } });
  await commit();
  await close(pool);
  t.same(await finalRow(pool), await finalOf(pool));
  t.match(await finalRow(pool), { entries: 6 }, 'with the score of the batch');
});

t.test(
  'a batch that has begun before the fence, and comes to it later, counts in the season after',
  async (t) => {
    const { pool } = await open(t, 5);
    const [hanging = ''] = await addPlayers(pool, 1);
    await endSeason(pool);
    // It has its snapshot, and nothing that the fence could see.
    const openGate = await holding(pool, (client) => client.query('SELECT pg_advisory_xact_lock(99)'));
    const gate = '(SELECT pg_advisory_xact_lock_shared(99)::text) IS NOT NULL AND action_id = ANY';
    const writing = hangingBatch(pool, hanging, (text) => text.replace('action_id = ANY', gate));
    await waiting(pool, 1);
    await transact(pool, (client) => closeSeason('test', SIZES).bite(client, GLOBAL));
    t.match(await seasonRow(pool), { isClosed: true });
    await openGate();
    await (await writing)();
    await close(pool);
    t.same(await finalRow(pool), await finalOf(pool));
    t.match(await finalRow(pool), { entries: 5 });
    const { rows } = await pool.query(
      `SELECT boards->'global' AS season FROM score_events WHERE user_id = uuid_of($1)`,
      [hanging],
    );
    t.same(rows, [{ season: 2 }]);
  },
);

t.test('a season is closed though the next one has not begun, and is shown meanwhile', async (t) => {
  const { pool, jobs } = await open(t, 2);
  await pool.query(
    `UPDATE leaderboards SET season_ends_at = now() - interval '1 minute', next_starts_at = now() + interval '1 hour'
     WHERE id = 'global'`,
  );
  await pool.query("UPDATE seasons SET state = 'closing' WHERE leaderboard_id = 'global' AND season = 1");
  await transact(pool, (client) => closeSeasons().bite(client, {}));
  t.ok((await jobs()).includes('close-season:global:1'));
  await close(pool);
  t.same(await finalRow(pool), await finalOf(pool));
  await transact(pool, (client) => forgetSeason(async () => t.fail('forgotten')).bite(client, GLOBAL));
  t.ok((await jobs()).includes('forget-season:global:1'), 'later');
});

t.test('what is closed is removed from where it was kept for fast reads', async (t) => {
  const { pool, jobs } = await open(t, 1);
  await endSeason(pool);
  let isThere = false;
  const forget = forgetSeason(async () => isThere);
  await transact(pool, (client) => forget.bite(client, GLOBAL));
  t.same(await jobs(), ['forget-season:global:1'], 'tried again later');
  await pool.query('DELETE FROM scoreboard_jobs._private_jobs');
  isThere = true;
  await transact(pool, (client) => forget.bite(client, GLOBAL));
  t.same(await jobs(), []);
  t.equal(CLOSE_SEASON.keyOf(GLOBAL), 'global:1');
});
