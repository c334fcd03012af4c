import type pg from 'pg';
import t, { type Test } from 'tap';
import { Bans } from '../../src/access/bans.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { recordBatch } from '../../src/ledger/submission.js';
import { Moderation } from '../../src/moderation/moderation.js';
import { transact } from '../../src/postgres/database.js';
import { buildTestDatabase } from '../helper.js';
import { typeId } from '../mint.js';
import { addPlayers, openPool, prepare, sum, withPool } from './game-server.js';
import { newLedger, outcome, outcomes, submission } from './ledgers.js';
import { deadlocks } from './truth.js';
import { during, holding, waiting } from './waiting.js';

const act = { actor: 'svc_1', reason: null };
const RULES = { id: 'global', title: 'Renamed', sort: 'desc', operator: 'increment' } as const;
/** A change of a leaderboard that scores overtake waits until there are no more, in milliseconds. */
const CEILING_MS = 10_000;

async function open(t: Test, players: number) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, players);
  const pool = openPool(t, databaseUrl, { max: 30 });
  return { databaseUrl, users, user: users[0] ?? '', pool, catalog: new Catalog(pool, 'test') };
}

/** Writes batches one after the other, each in a transaction that goes on for 100 ms, until `signal` aborts. @returns how many */
async function writeSlowly(pool: pg.Pool, signal: AbortSignal): Promise<number> {
  const [user = ''] = await addPlayers(pool, 1);
  let batches = 0;
  for (; !signal.aborted; batches++) {
    const pending = {
      ...submission(user, 1),
      arrivedAt: 0,
      isOfOtherSeason: false,
      resolve: () => {},
      reject: () => {},
    };
    const entrant = { pending: { ...pending, eventId: typeId('evt') }, age: 0, held: false };
    await transact(pool, async (client) => {
      const { text, values } = recordBatch([entrant], 'test', 'chg');
      await client.query(text, values);
      await client.query('SELECT pg_sleep(0.1)');
    });
  }
  return batches;
}

t.test('leaderboards change while batches overlap without a gap', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  await prepare(databaseUrl, 0);
  await withPool(databaseUrl, async (pool) => {
    const catalog = new Catalog(pool, 'test');
    const over = new AbortController();
    const writers = Array.from({ length: 6 }, () => writeSlowly(pool, over.signal));
    const times: number[] = [];
    try {
      for (let n = 0; n < 10; n++) {
        const start = performance.now();
        if (n % 2 === 0) await catalog.putLeaderboard({ ...RULES, title: `Title ${n}` }, act);
        else await catalog.setFrozen('best-race', n % 4 === 1, act);
        times.push(performance.now() - start);
      }
    } finally {
      over.abort();
      await Promise.all(writers);
    }
    const batches = sum(await Promise.all(writers));
    t.ok(batches >= 20, `${batches} batches meanwhile`);
    const worst = Math.max(...times);
    t.ok(worst < CEILING_MS, `the slowest of ${times.length} changes took ${Math.round(worst)} ms`);
  });
  t.equal(await deadlocks(openPool(t, process.env['TEST_POSTGRES_URL'] ?? ''), databaseUrl), 0);
});

t.test('a change that a batch keeps waiting too long is answered 503, and can be tried again', async (t) => {
  const { pool, user, catalog } = await open(t, 1);
  const { ledger } = newLedger(pool);
  const score = submission(user, 5);
  const commit = await holding(pool, (client) =>
    client.query('INSERT INTO consumed_tokens VALUES (uuid_of($1), gen_random_uuid(), now())', [
      score.tokenId,
    ]),
  );
  const recording = outcome(ledger, score);
  await waiting(pool, 1);
  await t.rejects(catalog.putLeaderboard(RULES, act), { code: 'service-unavailable', retryAfter: 1 });
  await commit();
  t.same(await recording, 'action-token-replayed');
  t.match(await catalog.putLeaderboard(RULES, act), { title: 'Renamed' });
});

t.test('a batch passes the fence of each of its leaderboards, however many they are', async (t) => {
  const { pool, user } = await open(t, 1);
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator)
    SELECT 'level-' || n, 'Level', 'desc', 'best' FROM generate_series(1, 500) n`);
  await pool.query(`
    INSERT INTO actions SELECT 'pass-' || n, 'Pass', 0, 100, 'server', 0 FROM generate_series(1, 500) n`);
  await pool.query(
    `INSERT INTO action_leaderboards SELECT 'pass-' || n, 'level-' || n FROM generate_series(1, 500) n`,
  );
  const { ledger, errors } = newLedger(pool);
  const scores = Array.from({ length: 256 }, (_, n) => submission(user, 1, { actionId: `pass-${n + 1}` }));
  // The batch has passed the fences, and waits for the last of its tokens.
  const lastToken = scores
    .map(({ tokenId }) => tokenId)
    .sort()
    .at(-1);
  const commit = await holding(pool, (client) =>
    client.query('INSERT INTO consumed_tokens VALUES (uuid_of($1), gen_random_uuid(), now())', [lastToken]),
  );
  const recording = outcomes(ledger, scores);
  await waiting(pool, 1);
  const { rowCount } = await pool.query(
    `SELECT FROM pg_locks
     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  await commit();
  t.ok(Number(rowCount) > 32 && Number(rowCount) <= 64, `${rowCount} locks for 256 leaderboards`);
  t.equal((await recording).filter((result) => Array.isArray(result)).length, 255);
  t.same(errors, []);
});

t.test('corrections pass the fence too, and work on a frozen board', async (t) => {
  const { pool, user, catalog } = await open(t, 1);
  const { ledger } = newLedger(pool);
  const { eventId } = await ledger.record(submission(user, 5));
  await ledger.record(submission(user, 7));
  const moderation = new Moderation({
    bans: new Bans(pool, { isCurrent: true }),
    pool,
    writer: 'test',
    leaderboards: { apply: async () => {}, rename: async () => {} },
    onError: (error) => t.fail(String(error)),
  });
  // A change has closed the fence, and waits.
  const lock = (client: { query(text: string): Promise<unknown> }) =>
    client.query("SELECT FROM leaderboards WHERE id = 'global' FOR UPDATE");
  const [frozen, event] = await during(pool, lock, 2, async () => {
    const freezing = catalog.setFrozen('global', true, act);
    await waiting(pool, 1);
    return Promise.all([freezing, moderation.void(eventId, act)]);
  });
  t.match(frozen, { frozenAt: String });
  t.match(event, { status: 'voided' });
  const { rows } = await pool.query("SELECT score FROM scores WHERE leaderboard_id = 'global'");
  t.same(rows, [{ score: 7 }]);
});
