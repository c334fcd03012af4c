import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { demonstrate } from '../../bench/demonstration.js';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { GameServer, openPool, prepare } from '../ledger/game-server.js';
import { events, truth } from '../ledger/truth.js';
import { Load, nothingLost } from './load.js';
import { startService } from './service.js';

const MIGRATE = fileURLToPath(new URL('migrate-process.js', import.meta.url));
const EVENTS = 60_000;

t.test('migrations are killed (kill -9) in a page and in an index, and no score fails', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 40);
  const pool = openPool(t, databaseUrl);
  await pool.query(
    `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, status, boards)
     SELECT lpad(n::text, 32, '0')::uuid, uuid_of($1), 'old', gen_random_uuid(), 1, now(), 'voided', '{"a": 1, "b": 1}'
     FROM generate_series(1, ${EVENTS}) n`,
    [users[0]],
  );
  const folder = t.testdir();
  demonstrate(folder);
  const service = await startService(t, databaseUrl);
  const load = new Load(new GameServer(t), users, 8, () => service.url);
  await load.more(50);

  const start = (): ChildProcess => {
    const child = spawn(process.execPath, [...NODE_ARGUMENTS, MIGRATE, databaseUrl, folder], {
      stdio: 'inherit',
    });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  const kill = async (child: ChildProcess) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    await eventually(async () => {
      const { rowCount } = await pool.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scoreboard-api migrate'",
      );
      assert.equal(rowCount, 0, 'its lock is free');
    });
  };
  const number = async (sql: string): Promise<number> =>
    (await pool.query<{ n: number }>(sql).catch(() => ({ rows: [] }))).rows[0]?.n ?? 0;

  const first = start();
  await eventually(async () => assert.ok((await number('SELECT rows AS n FROM schemaprogress')) > 0));
  await kill(first);
  const done = await number('SELECT rows AS n FROM schemaprogress');
  t.ok(done < EVENTS, `${done} of ${EVENTS} rows were done`);
  t.ok(
    (await number('SELECT count(*) AS n FROM score_events WHERE feeds = 2')) === done,
    'and they are noted',
  );

  // An index is valid only when all transactions are gone that are older than it.
  const old = await pool.connect();
  t.teardown(() => old.release());
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM leaderboards');
  const second = start();
  const indexes =
    "SELECT count(*) AS n FROM pg_index WHERE indexrelid::regclass::text ~ '^score_events_[0-9]+_accepted_idx$'";
  await eventually(async () => assert.equal(await number(indexes), 1), 30_000);
  await kill(second);
  t.equal(await number(`${indexes} AND NOT indisvalid`), 1, 'an invalid index is left');
  await old.query('COMMIT');

  const third = start();
  t.same(await once(third, 'exit'), [0, null]);
  t.equal(await number('SELECT count(*) AS n FROM score_events WHERE feeds = 2'), EVENTS);
  t.equal(await number(`${indexes} AND NOT indisvalid`), 0);
  t.equal(
    await number(
      "SELECT count(*) AS n FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('score_events_accepted_idx')",
    ),
    1,
  );
  t.equal(await number('SELECT count(*) AS n FROM schemaprogress'), 0);
  t.equal(await number('SELECT count(*) AS n FROM pg_constraint WHERE NOT convalidated'), 0);

  await load.more(50);
  await load.stop();
  const { answers } = load;
  t.same(
    answers.filter(({ status }) => status !== 200),
    [],
    'no score has failed',
  );
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  t.comment(
    `${nothingLost(t, answers, await truth(pool, 'global'), await events(pool))}; at most ${slowest.toFixed(0)} ms`,
  );
});
