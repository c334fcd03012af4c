import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { writeArchive } from '../../src/ledger/archive-files.js';
import { oldestMonth } from '../../src/ledger/old-events.js';
import { transact } from '../../src/postgres/database.js';
import { fromUuid } from '../../src/stored-ids.js';
import { eventually } from '../api.js';
import { buildTestApp } from '../helper.js';
import { addPlayers, openPool } from '../ledger/game-server.js';
import { submission } from '../ledger/ledgers.js';
import { addEvents, differencesAt, monthsAgo, nameOf, prepareMonths, tableOf } from '../ledger/old-months.js';
import { recompute } from '../ledger/recomputed.js';
import { holding, waiting } from '../ledger/waiting.js';
import { verify } from '../verify.js';

const ARCHIVE = fileURLToPath(new URL('../../scripts/archive.js', import.meta.url));
const ACT = { actor: 'svc_1', reason: 'A test.' };
const KEY = 'ff000000-0000-7000-8000-000000000001';
const MINUTE = 60_000;

/** Runs `npm run archive` as the image does. */
function archive(url: string, ...options: string[]) {
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', DATABASE_URL: url };
  const child = spawn(process.execPath, [ARCHIVE, ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return {
    /** What it has printed, when it has ended. */
    end: async () => {
      const [out, error, [code]] = await ended;
      return { code, out, error };
    },
    /** Kills it when it has come to a point. */
    killAt: async (point: () => Promise<unknown>) => {
      await point();
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function open(t: Test) {
  const { app, config } = await buildTestApp(t);
  const url = config.DATABASE_URL;
  const pool = openPool(t, url);
  await prepareMonths(pool, url, 3);
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-archive-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const scores = async () =>
    (await pool.query('SELECT * FROM scores ORDER BY leaderboard_id, user_id')).rows as object[];
  const of = async (user: string) => {
    const { rows } = await pool.query<{ board: string; score: number }>(
      'SELECT leaderboard_id AS board, score FROM scores WHERE user_id = uuid_of($1)',
      [user],
    );
    return Object.fromEntries(rows.map(({ board, score }) => [board, score]));
  };
  return { app, url, pool, folder, scores, of };
}

const isAt = (pool: pg.Pool, state: string) => () =>
  eventually(async () => {
    const { rowCount } = await pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scoreboard-api archive' AND ${state}`,
    );
    assert.equal(rowCount, 1);
  }, 20_000);

t.test('a month is archived, whatever kills the command, and scores stay exact', async (t) => {
  const { app, url, pool, folder, scores, of } = await open(t);
  const [ada = '', bob = '', cleo = '', dan = ''] = await addPlayers(pool, 4);
  const first = monthsAgo(3);
  const ids = await addEvents(pool, [
    {
      user: ada,
      points: 90,
      at: first + MINUTE,
      metadata: '{"a": 1,\n "n": 12345678901234567890, "line": "one\u2028two\u2029three"}',
    },
    { user: ada, points: 10, at: first + 2 * MINUTE, status: 'voided' },
    { user: bob, points: 40, at: first + 3 * MINUTE, tokenId: KEY },
    { user: cleo, points: 60, at: first + 4 * MINUTE },
    { user: dan, points: 30, at: first + 5 * MINUTE },
    { user: ada, points: 95, at: monthsAgo(2) + MINUTE },
    { user: ada, points: 20, at: monthsAgo(1) + MINUTE },
    { user: cleo, points: 5, at: monthsAgo(1) + MINUTE },
  ]);
  const event = (n: number): string => fromUuid('evt', ids[n] ?? '');
  await pool.query("INSERT INTO consumed_tokens VALUES ($1, $2, 'infinity')", [KEY, ids[2]]);
  await recompute(pool);
  await app.moderation.ban(cleo, ACT);
  const before = await scores();
  const { rows } = await pool.query<{ id: string; points: number; status: string; at: number }>(
    'SELECT id, points, status, accepted_at AS at FROM score_events WHERE id < $1 ORDER BY id',
    [ids[5]],
  );
  const isRight = async (point: string) => {
    t.same(await scores(), before, point);
    t.same(await differencesAt(url), [], point);
  };
  const run = () => archive(url, '--before', nameOf(monthsAgo(2)), '--to', folder);
  const month = join(folder, nameOf(first));
  const table = tableOf(first);

  const endChange = await holding(pool, (client) =>
    client.query(`LOCK TABLE ${table} IN ROW EXCLUSIVE MODE`),
  );
  await run().killAt(isAt(pool, "state = 'idle' AND query = 'COMMIT'"));
  await endChange();
  t.match(await app.moderation.void(event(1), ACT), { status: 'voided' });
  await isRight('killed before the month was closed');

  mkdirSync(month);
  execFileSync('mkfifo', [join(month, 'events.ndjson.gz.partial')]);
  await run().killAt(isAt(pool, "query = 'CLOSE archived'"));
  rmSync(join(month, 'events.ndjson.gz.partial'));
  await t.rejects(app.moderation.void(event(0), ACT), { code: 'event-archived' });
  await isRight('killed while it wrote');

  const endCarrying = await holding(pool, (client) =>
    client.query('SELECT FROM archive_progress FOR UPDATE'),
  );
  await run().killAt(() => waiting(pool, 1));
  t.ok(existsSync(join(month, 'manifest.json')));
  await endCarrying();
  await isRight('killed before it carried');

  const endReading = await holding(pool, (client) => client.query(`SELECT FROM ${table}`));
  await run().killAt(async () => {
    await eventually(async () => {
      assert.equal((await pool.query('SELECT FROM archived_standings')).rowCount, 16);
    }, 20_000);
    await isAt(pool, "state = 'idle'")();
  });
  await endReading();
  await isRight('killed before it dropped');

  const done = await run().end();
  t.match(done, { code: 0, out: `${nameOf(first)}: 5 events are in ${month}, and dropped.` }, done.error);
  await isRight('at the end');
  t.equal((await pool.query('SELECT FROM score_events')).rowCount, 3);
  t.equal((await pool.query('SELECT FROM consumed_tokens')).rowCount, 0, 'the key went with its event');
  t.match(await run().end(), { code: 0, out: 'No older month is left.\n' });

  const read = await archive(url, '--read', month).end();
  const lines = read.out.trim().split('\n');
  const events = lines.map((line) => JSON.parse(line));
  t.same(
    events.map(({ eventId, points, status, acceptedAt }) => [
      eventId,
      points,
      status,
      Date.parse(acceptedAt),
    ]),
    rows.map(({ id, points, status, at }) => [fromUuid('evt', id), points, status, at]),
  );
  t.match(events[0], {
    userId: ada,
    action: 'finish-race',
    boards: { global: 1 },
    best: true,
    metadata: { a: 1, line: 'one\u2028two\u2029three' },
  });
  t.match(lines[0], /"n": 12345678901234567890/, 'a number is not rounded');
  t.match(JSON.parse(readFileSync(join(month, 'manifest.json'), 'utf8')), {
    month: nameOf(first),
    events: 5,
    first: event(0),
    last: event(4),
  });

  await t.rejects(app.moderation.void(event(0), ACT), { code: 'event-archived' });
  await t.rejects(app.moderation.release(event(1), ACT), { code: 'event-archived' });
  const span = { userId: ada, from: new Date(first).toISOString(), to: new Date().toISOString() };
  await t.rejects(app.moderation.voidAll(span, ACT), { code: 'event-archived' });
  await app.moderation.void(event(5), ACT);
  t.match(await of(ada), { global: 110, 'best-race': 90, 'best-lap': 20, 'latest-race': 20 });
  await app.moderation.void(event(6), ACT);
  t.match(await of(ada), { global: 90, 'best-race': 90, 'best-lap': 90, 'latest-race': 90 });
  await app.ledger.record(submission(bob, 2));
  t.match(await of(bob), { global: 42, 'best-race': 40, 'latest-race': 2 });
  await app.moderation.unban(cleo, ACT);
  t.match(await of(cleo), { global: 65, 'best-race': 60, 'best-lap': 5, 'latest-race': 5 });
  await app.userChanges.erase(dan);
  await eventually(async () => {
    const { rowCount } = await pool.query('SELECT FROM archived_standings WHERE user_id = uuid_of($1)', [
      dan,
    ]);
    assert.equal(rowCount, 0);
  });
  t.match(await verify(url), { code: 0 });
});

t.test('nothing is dropped that an archive does not have', async (t) => {
  const { url, pool, folder } = await open(t);
  const [ada = ''] = await addPlayers(pool, 1);
  await addEvents(pool, [
    { user: ada, points: 5, at: monthsAgo(3) + MINUTE },
    { user: ada, points: 5, at: monthsAgo(2) + MINUTE, status: 'held' },
  ]);
  const months = [3, 2].map((n) => nameOf(monthsAgo(n)));
  const held = await archive(url, '--before', nameOf(monthsAgo(1)), '--to', folder).end();
  t.match(held, { code: 1, out: `${months[0]}: 1 events` });
  t.match(held.error, `${months[1]} stays, and all after it: 1 of its events are held: release or void them`);
  await pool.query("UPDATE score_events SET status = 'counted'");

  // The archive of another database.
  const taken = join(folder, months[1] ?? '');
  mkdirSync(taken);
  const manifest = readFileSync(join(folder, months[0] ?? '', 'manifest.json'), 'utf8');
  appendFileSync(join(taken, 'manifest.json'), manifest);
  const other = await archive(url, '--before', nameOf(monthsAgo(1)), '--to', folder).end();
  t.match(other, { code: 1, error: `${taken} has another archive. Use another folder.` });
  t.equal((await pool.query('SELECT FROM score_events')).rowCount, 1);

  // The archive of this month, which lacks an event.
  const lacking = join(folder, 'lacking');
  const client = await pool.connect();
  const month = await oldestMonth(client);
  assert(month !== null);
  await writeArchive(client, month, join(lacking, month.name));
  client.release();
  await addEvents(pool, [{ user: ada, points: 5, at: monthsAgo(2) + 2 * MINUTE }]);
  t.match(await archive(url, '--before', nameOf(monthsAgo(1)), '--to', lacking).end(), {
    code: 1,
    error: `${join(lacking, month.name)} has another archive. Use another folder.`,
  });
  t.equal((await pool.query('SELECT FROM score_events')).rowCount, 2);

  appendFileSync(join(folder, months[0] ?? '', 'events.ndjson.gz'), 'x');
  t.match(await archive(url, '--read', join(folder, months[0] ?? '')).end(), {
    code: 1,
    out: '',
    error: /damaged/,
  });
  t.match(await archive(url, '--read', join(folder, 'nowhere')).end(), {
    code: 1,
    error: /no whole archive/,
  });
  t.match(await archive(url, '--before', '2026-13', '--to', folder).end(), {
    code: 1,
    error: /npm run archive/,
  });
  await transact(pool, async (client) => {
    await client.query('SELECT pg_advisory_xact_lock(7228506)');
    t.match(await archive(url, '--before', nameOf(monthsAgo(1)), '--to', folder).end(), {
      error: /Another archive/,
    });
  });
});
