import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Problem } from '../../src/errors.js';
import { eventually } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { ACTION, GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, countedOnce, events } from '../ledger/truth.js';
import { typeId } from '../mint.js';

/** How many submissions may wait in the batch queue, are in a batch, and may be in flight beside those that wait. */
const WAITING = 8_192;
const MAX_BATCH = 256;
const IN_FLIGHT = 2 * MAX_BATCH;

t.test('PostgreSQL is blocked, and more scores arrive than the batch queue holds', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 50);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const game = new GameServer(t);
  const pool = openPool(t, databaseUrl);
  const blocker = await pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE users IN EXCLUSIVE MODE');

  const heapBefore = process.memoryUsage().heapUsed;
  const start = performance.now();
  /** In the order in which they were answered. */
  const answered: number[] = [];
  let sent = 0;
  // Each batch is of one user: no two are on their way for the same.
  const record = async (_: unknown, n: number) => {
    const index = sent++;
    const submission = {
      tokenId: typeId('tok'),
      userId: users[Math.floor(n / MAX_BATCH) % users.length] ?? '',
      actionId: ACTION,
      points: 1,
      metadata: null,
      tokenExpiresAt: Date.now() / 1000 + 300,
      tokenIssuedAt: null,
      expectedSeasons: null,
      issuedBy: null,
      signingKey: 'key_00000000',
      limits: null,
    };
    const error: unknown = await app.ledger.record(submission).catch((error: unknown) => error);
    answered.push(index);
    return error instanceof Problem ? error.code : String(error);
  };
  const codes = Array.from({ length: WAITING }, record);
  await eventually(async () => {
    const { rowCount } = await pool.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    assert((rowCount ?? 0) >= 2);
  });
  codes.push(...Array.from({ length: IN_FLIGHT + 100 }, record));

  const answer = await game.post(url, newToken(users[0] ?? '', 1));
  t.match(answer, { status: 503, problem: { code: 'service-unavailable' }, retryAfter: /^\d+$/ });
  t.same(
    answered,
    Array.from({ length: 100 }, (_, i) => WAITING + IN_FLIGHT + i),
    'a full batch queue rejects at once what is beyond it, and all others still wait',
  );
  t.equal((await fetch(`${url}/v1/leaderboards/global/entries`)).status, 200, 'reads continue');
  t.ok(process.memoryUsage().heapUsed - heapBefore < 100e6, 'memory is bounded');

  t.same(new Set(await Promise.all(codes)), new Set(['service-unavailable']));
  const last = performance.now() - start;
  t.comment(`the last one is answered after ${Math.round(last)} ms`);
  t.ok(last < 60_000, 'nobody waits without end');

  await blocker.query('COMMIT');
  blocker.release();
  await recovers(t, databaseUrl, url);
});

t.test('every connection of the pool is in use', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 10);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const game = new GameServer(t);
  const taken = await Promise.all(
    Array.from({ length: app.pg.pool.options.max }, () => app.pg.pool.connect()),
  );
  const answers = await Promise.all(users.map((user) => game.post(url, newToken(user, 1))));
  t.ok(answers.every(({ status, retryAfter }) => status === 503 && retryAfter !== undefined));
  t.ok(
    answers.every(({ ms }) => ms < 60_000),
    'none waits without end',
  );
  for (const client of taken) client.release();
  await recovers(t, databaseUrl, url);
});

/** Abandoned submissions may still be committed, and must then be on the boards. New scores count as usual. */
async function recovers(t: Test, databaseUrl: string, url: string): Promise<void> {
  const pool = openPool(t, databaseUrl);
  await eventually(async () => {
    const busy =
      "SELECT FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()";
    assert.equal((await pool.query(busy)).rowCount, 0);
  });
  const { rows } = await pool.query<{ id: string }>("SELECT typeid('usr', id) AS id FROM users");
  const tokens = rows.map(({ id }) => newToken(id, 5));
  const game = new GameServer(t);
  const answers = await Promise.all(tokens.map((token) => game.post(url, token)));
  t.ok(answers.every(({ status }) => status === 200));
  const recorded = (await events(pool)).filter(({ tokenId }) => tokens.some(({ id }) => id === tokenId));
  countedOnce(t, tokens, recorded, answers);
  await agreement(t, pool, [url], 20_000);
}
