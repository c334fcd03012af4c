import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { firstIdAt } from '../../src/ids.js';
import { partitions } from '../../src/ledger/partitions-job.js';
import { dropNextTokens, purgeTokens } from '../../src/ledger/purge-tokens.js';
import { transact } from '../../src/postgres/database.js';
import {
  CONSUMED_TOKENS,
  makeNextPartition,
  partitionsOf,
  SCORE_EVENTS,
} from '../../src/postgres/partitions.js';
import { fromUuid } from '../../src/stored-ids.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { dashed } from '../leaderboard/board-rows.js';
import { openPool, prepare } from '../ledger/game-server.js';
import { newLedger, outcome, outcomes, submission } from '../ledger/ledgers.js';
import { holding, waiting } from '../ledger/waiting.js';

const DAY_MS = 86_400_000;
/** A wait that nobody would call one, in milliseconds: what stalls scores takes seconds, or all of their time. */
const CEILING_MS = 2_500;
const LIMITS = { cooldownMs: null, dailyLimit: 1_000_000, boards: [] };

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl, { max: 20 });
  const one = newLedger(pool);
  const two = newLedger(pool);
  const rowsIn = async (table: string): Promise<number> =>
    (await pool.query(`SELECT FROM ${table}`)).rowCount ?? -1;
  const names = async (of: typeof SCORE_EVENTS) => (await partitionsOf(pool, of)).map(({ name }) => name);
  return { pool, user, one, two, rowsIn, names };
}

/** Makes what is missing at a time, each partition in a transaction of its own, as the job does. */
async function makeAll(pool: pg.Pool, now: number): Promise<string> {
  for (;;) {
    const made = await transact(pool, (client) => makeNextPartition(client, now));
    if (made !== 'more') return made;
  }
}

/** A token's id of this time, and another each time. */
const tokenAt = (ms: number): string =>
  firstIdAt('tok', ms).slice(0, 14) + fromUuid('tok', dashed(randomBytes(16).toString('hex'))).slice(14);
const nameOf = (table: string, ms: number, digits: number): string =>
  `${table}_${new Date(ms).toISOString().replaceAll('-', '').slice(0, digits)}`;

t.test('a fresh database has the partitions of now and of the times to come', async (t) => {
  const { names } = await open(t);
  const days = Array.from({ length: 8 }, (_, n) => nameOf('consumed_tokens', Date.now() + n * DAY_MS, 8));
  t.same(await names(CONSUMED_TOKENS), days);
  const months = await names(SCORE_EVENTS);
  t.equal(months.length, 13);
  t.equal(months[0], nameOf('score_events', Date.now(), 6));
});

t.test('a token counts once whatever the time in its id, and finds its partition again', async (t) => {
  const { user, one, two, rowsIn } = await open(t);
  const ids = [
    'tok_00000000000000000000000000',
    'tok_7zzzzzzzzzzzzzzzzzzzzzzzzz',
    fromUuid('tok', dashed(randomBytes(16).toString('hex'))),
    ...[-40, -1, 0, 1, 7, 8, 4_000].map((days) => tokenAt(Date.now() + days * DAY_MS)),
  ];
  for (const [n, tokenId] of ids.entries()) {
    const score = submission(user, 1, { tokenId, ...(n % 2 === 0 && { limits: LIMITS }) });
    const found = await outcomes(one.ledger, [score, score]);
    t.same(found.filter(Array.isArray).length, 1, tokenId);
    await t.rejects(two.ledger.record(score), {
      code: 'action-token-replayed',
      original: { eventId: String },
    });
  }
  t.equal(await rowsIn('consumed_tokens'), ids.length);
  t.ok((await rowsIn('consumed_tokens_default')) >= 5);
});

t.test('a score counts where its month and its day have no partition, and these are left so', async (t) => {
  const { pool, user, one, rowsIn, names } = await open(t);
  for (const of of [SCORE_EVENTS, CONSUMED_TOKENS])
    for (const name of await names(of)) await pool.query(`DROP TABLE ${name}`);
  t.match(await outcome(one.ledger, submission(user, 5)), [null, 5]);
  t.equal(await rowsIn('score_events_default'), 1);
  t.equal(await rowsIn('consumed_tokens_default'), 1);
  // As after months in which no job has run: what is in the default partition does not keep later ones from being made.
  t.equal(await makeAll(pool, Date.now()), 'done');
  t.notOk((await names(SCORE_EVENTS)).includes(nameOf('score_events', Date.now(), 6)));
  t.equal((await names(SCORE_EVENTS)).length, 12);
  t.equal((await names(CONSUMED_TOKENS)).length, 7);
  t.match(await outcome(one.ledger, submission(user, 5)), [5, 10]);
  t.same(one.errors, []);
});

t.test('a token that comes while the partition of its day is attached counts once', async (t) => {
  const { pool, user, one, two, rowsIn } = await open(t);
  const later = Date.now() + DAY_MS;
  const day = Date.now() + 8 * DAY_MS;
  const score = submission(user, 1, { tokenId: tokenAt(day) });
  const commit = await holding(pool, async (client) => {
    // On the last day of a month, that of the next month comes first.
    do assert.equal(await makeNextPartition(client, later), 'more');
    while ((await partitionsOf(client, CONSUMED_TOKENS)).at(-1)?.name !== nameOf('consumed_tokens', day, 8));
  });
  // One has begun with the default partition, and waits for it; the other finds the user locked.
  const found = Promise.all([one, two].map(({ ledger }) => outcome(ledger, score)));
  await waiting(pool, 1);
  await commit();
  t.same((await found).sort(), [[null, 1], 'action-token-replayed']);
  t.equal(await rowsIn(nameOf('consumed_tokens', day, 8)), 1);
  t.equal(await rowsIn('consumed_tokens_default'), 0);
  t.same([...one.errors, ...two.errors], []);
});

t.test('a token on its way into the default partition is not overtaken by one', async (t) => {
  const { pool, user, one, rowsIn, names } = await open(t);
  const later = Date.now() + DAY_MS;
  const score = submission(user, 1, { tokenId: tokenAt(Date.now() + 8 * DAY_MS) });
  const commit = await holding(pool, (client) =>
    client.query('INSERT INTO consumed_tokens VALUES (uuid_of($1), gen_random_uuid(), now())', [
      score.tokenId,
    ]),
  );
  t.equal(await makeAll(pool, later), 'later', 'it does not wait for that');
  await commit();
  t.equal(await makeAll(pool, later), 'done', 'it leaves the day to the default partition');
  t.equal((await names(CONSUMED_TOKENS)).length, 8);
  t.equal(await outcome(one.ledger, score), 'action-token-replayed');
  // When the token has expired, it is deleted there, and the day gets its partition.
  await pool.query("UPDATE consumed_tokens_default SET expires_at = now() - interval '25 hours'");
  t.equal(await purgeTokens(pool, 1), true);
  t.equal(await rowsIn('consumed_tokens'), 0);
  t.equal(await makeAll(pool, later), 'done');
  t.equal((await names(CONSUMED_TOKENS)).length, 9);
});

t.test('partitions are made and dropped while players score', async (t) => {
  const { pool, user, one, two, names } = await open(t);
  const now = Date.now();
  const ofDay = (days: number) => nameOf('consumed_tokens', now + days * DAY_MS, 8);
  await makeAll(pool, now - 6 * DAY_MS);
  const consume = (days: number, expired: string) =>
    pool.query(
      `INSERT INTO consumed_tokens SELECT uuid_of(id), gen_random_uuid(), now() - interval '${expired}' FROM unnest($1::text[]) id`,
      [Array.from({ length: 100 }, () => tokenAt(now + days * DAY_MS))],
    );
  for (const days of [-6, -5, -4]) await consume(days, '25 hours');
  await consume(-5, '23 hours');

  let over = false;
  let slowest = 0;
  let counted = 0;
  const playing = [one, two].map(async ({ ledger }) => {
    while (!over) {
      const started = performance.now();
      const tokens = [0, 3, 20].map((days) => tokenAt(now + days * DAY_MS));
      const found = await outcomes(
        ledger,
        tokens.map((tokenId) => submission(user, 1, { tokenId })),
      );
      slowest = Math.max(slowest, performance.now() - started);
      for (const result of found) assert(Array.isArray(result), String(result));
      counted += found.length;
    }
  });
  /** Repeats what may not get its locks at once. */
  const until = async (what: string, isDone: () => Promise<boolean>, step: () => Promise<unknown>) => {
    for (const deadline = performance.now() + 30_000; !(await isDone()); await step())
      assert(performance.now() < deadline, what);
  };
  const job = partitions({ retention: null, onKept: () => {}, onLarge: () => {} });
  const bite = () => transact(pool, (client) => job.bite(client, {}));
  const has = async (days: number) => (await names(CONSUMED_TOKENS)).includes(ofDay(days));
  await until('dropped', async () => !(await has(-6)) && !(await has(-4)) && !(await has(-2)), bite);
  t.ok(await has(-5), 'some of its tokens may still be told from new ones');
  t.ok(await has(-1));
  await until(
    'made',
    () => has(9),
    () => makeAll(pool, now + 2 * DAY_MS),
  );

  await pool.query(`UPDATE ${ofDay(-5)} SET expires_at = now() - interval '25 hours'`);
  // Somebody reads the table for long, as a backup does.
  const end = await holding(pool, (client) => client.query('SELECT FROM consumed_tokens LIMIT 1'));
  t.equal(await transact(pool, dropNextTokens), 'later', 'it does not wait for that');
  const before = counted;
  await eventually(async () => assert(counted > before + 20), 30_000);
  await end();
  await until('dropped at last', async () => !(await has(-5)), bite);
  over = true;
  await Promise.all(playing);
  t.ok(slowest < CEILING_MS, `${counted} scores, ${slowest.toFixed(0)} ms at most`);
  t.same([...one.errors, ...two.errors], []);
});

t.test('a token that gets into an old partition before it is dropped keeps it', async (t) => {
  const { pool, user, one, names } = await open(t);
  const day = Date.now() - 4 * DAY_MS;
  await makeAll(pool, day);
  const old = nameOf('consumed_tokens', day, 8);
  const token = submission(user, 1, { tokenId: tokenAt(day) });
  t.same(await outcome(one.ledger, token), [null, 1]);
  await transact(pool, dropNextTokens);
  t.ok((await names(CONSUMED_TOKENS)).includes(old));
  t.equal(await outcome(one.ledger, token), 'action-token-replayed');
});

t.test('the locks of a drop have one limit together, and it is tried again', async (t) => {
  const { pool, names } = await open(t);
  const day = Date.now() - 4 * DAY_MS;
  await makeAll(pool, day);
  const old = nameOf('consumed_tokens', day, 8);
  const [endFirst, endSecond] = await Promise.all(
    ['ONLY consumed_tokens', 'consumed_tokens_default'].map((table) =>
      holding(pool, (client) => client.query(`LOCK TABLE ${table} IN ACCESS SHARE MODE`)),
    ),
  );
  const dropped = transact(pool, dropNextTokens).catch(String);
  await waiting(pool, 1);
  await endFirst?.();
  t.equal(await dropped, 'later');
  t.ok((await names(CONSUMED_TOKENS)).includes(old));
  await endSecond?.();
  t.equal(await transact(pool, dropNextTokens), 'more');
  t.notOk((await names(CONSUMED_TOKENS)).includes(old));
});

t.test('a default partition that is too large is told of, and nothing is made beside it', async (t) => {
  const { pool, names } = await open(t);
  const tomorrow = nameOf('consumed_tokens', Date.now() + DAY_MS, 8);
  await pool.query(`DROP TABLE ${tomorrow}`);
  // Rows that fill a tenth of their pages: above 64 MB.
  await pool.query('ALTER TABLE consumed_tokens_default SET (fillfactor = 10)');
  await pool.query(
    `INSERT INTO consumed_tokens_default
     SELECT lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), now() + interval '1 day' FROM generate_series(1, 110000) n`,
  );
  const large: [table: string, bytes: number][] = [];
  const job = partitions({ retention: null, onKept: () => {}, onLarge: (...what) => large.push(what) });
  await transact(pool, (client) => job.bite(client, {}));
  t.match(large, [['consumed_tokens', Number]]);
  t.notOk((await names(CONSUMED_TOKENS)).includes(tomorrow));
});
