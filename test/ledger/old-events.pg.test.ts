import assert from 'node:assert/strict';
import fc from 'fast-check';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import { newId } from '../../src/ids.js';
import { PostgresBoard } from '../../src/leaderboard/postgres-boards.js';
import { EntryMetadata } from '../../src/leaderboard/public-metadata.js';
import { correct } from '../../src/ledger/correction.js';
import { ARCHIVE_LOCK, carry, close, drop, type Month, oldestMonth } from '../../src/ledger/old-events.js';
import { partitions } from '../../src/ledger/partitions-job.js';
import { verify } from '../../src/ledger/verification.js';
import { type Queryable, transact } from '../../src/postgres/database.js';
import { partitionsOf, SCORE_EVENTS } from '../../src/postgres/partitions.js';
import { fromUuid } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool } from './game-server.js';
import {
  addEvents,
  differencesAt,
  monthsAgo,
  nameOf,
  type OldEvent,
  prepareMonths,
  tableOf,
  withVerifier,
} from './old-months.js';
import { equalsRecomputed, recompute } from './recomputed.js';
import { holding } from './waiting.js';

const DAY_S = 86_400;

async function open(t: Test, months: number) {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  await prepareMonths(pool, databaseUrl, months);
  const oldest = async (): Promise<Month> => (await oldestMonth(pool)) ?? assert.fail();
  const step = <T>(work: (client: Parameters<typeof carry>[0], month: Month) => Promise<T>) =>
    transact(pool, async (client) => work(client, (await oldestMonth(client)) ?? assert.fail()));
  const differences = () => differencesAt(databaseUrl);
  return { databaseUrl, pool, oldest, step, differences };
}

const history = fc.array(
  fc.record({
    points: fc.oneof(fc.constantFrom(-5, 0, 0, 7, 7), fc.integer({ min: -100, max: 100 })),
    month: fc.constantFrom(3, 3, 2, 1),
    minute: fc.nat(30),
    status: fc.constantFrom('counted', 'counted', 'counted', 'voided'),
    isImported: fc.boolean(),
  }),
  { minLength: 1, maxLength: 14 },
);

t.test(
  'whatever users have done, and whatever is voided, scores are as if nothing had been archived',
  async (t) => {
    const { pool, oldest, step, differences } = await open(t, 3);
    const histories = fc.sample(history, { numRuns: 60, seed: 7 });
    const users = await addPlayers(pool, histories.length);
    const events = histories.flatMap((events, n) =>
      events.map(({ points, month, minute, status, isImported }): OldEvent => {
        const at = monthsAgo(month) + minute * 60_000 + n;
        const isAlone =
          events.filter((other) => other.month === month && other.minute === minute).length === 1;
        // Not older than what came before it.
        const achieved = isImported && isAlone ? { achieved: at - 30_000 } : {};
        return { user: users[n] ?? '', points, status, at, ...achieved };
      }),
    );
    const ids = await addEvents(pool, events);
    await recompute(pool);
    await pool.query('CREATE TABLE kept_events AS TABLE score_events');
    await equalsRecomputed(t, pool, 'kept_events');

    /** Voids some events that are not archived: every third from the first on. @param forgets whether their sums are made anew */
    const voidSome = async (first: number, month: number, forgets = false) => {
      const chosen = events.flatMap(({ user, at }, n) =>
        n % 3 === first && at >= monthsAgo(month)
          ? [{ id: fromUuid('evt', ids[n] ?? ''), userId: user }]
          : [],
      );
      const { rows } = await pool.query<{ id: string }>(
        `UPDATE kept_events SET status = 'voided' WHERE id IN (SELECT uuid_of(id) FROM unnest($1::text[]) id) AND status = 'counted'
       RETURNING user_id AS id`,
        [chosen.map(({ id }) => id)],
      );
      t.ok(rows.length > 10);
      if (forgets)
        await pool.query("DELETE FROM scores WHERE leaderboard_id = 'global' AND user_id = ANY ($1)", [
          rows.map(({ id }) => id),
        ]);
      await transact(pool, (client) =>
        correct(client, chosen, ['counted'], 'voided', 'svc_1', { id: newId('aud'), amend: false }),
      );
      await equalsRecomputed(t, pool, 'kept_events');
      t.same(await differences(), []);
    };

    for (const month of [3, 2]) {
      t.equal((await oldest()).name, nameOf(monthsAgo(month)));
      t.equal(await step(close), 'closed');
      t.equal(await step((client, month) => carry(client, month, 41)), true, 'a page of it');
      await voidSome(month % 3, month - 1, true);
      while (await step((client, month) => carry(client, month, 41)));
      t.same(await differences(), [], 'before it is dropped');
      t.equal(await step(drop), 'dropped');
      await equalsRecomputed(t, pool, 'kept_events');
      t.same(await differences(), []);
    }
    await voidSome(1, 1, true);
  },
);

t.test('what an entry shows of its event is kept when that leaves the ledger', async (t) => {
  const { pool, step } = await open(t, 2);
  const [ada = '', bob = ''] = await addPlayers(pool, 2);
  await pool.query(`UPDATE actions SET public_metadata = '{lap}' WHERE id = 'finish-race'`);
  const start = monthsAgo(2) + 60_000;
  await addEvents(pool, [
    ...[5, 9, 7].map((points, i) => ({ user: ada, points, at: start + i, metadata: `{"lap": ${i}}` })),
    { user: bob, points: 1, at: start, metadata: '{"lap": "before"}' },
    { user: bob, points: 3, at: monthsAgo(1) + 60_000, metadata: '{"lap": "after"}' },
  ]);
  await recompute(pool);
  const keys = new Map([['finish-race', ['lap']]]);
  const shown = async () => {
    const boards = ['best-race', 'latest-race', 'global', 'best-lap'].map(async (leaderboard) => {
      const board = boardKey(leaderboard, 1);
      const { entries } = await new PostgresBoard({ key: board, sort: 'desc' }, pool).page(9);
      const metadata = await new EntryMetadata(pool).of(board, entries, keys);
      return [ada, bob].map((user) => metadata.get(user)?.['lap']);
    });
    return await Promise.all(boards);
  };
  const expected = [
    [1, 'after'],
    [2, 'after'],
    [2, 'after'],
    [0, 'before'],
  ];
  t.same(await shown(), expected);
  t.equal(await step(close), 'closed');
  while (await step((client, month) => carry(client, month, 2)));
  t.same(await shown(), expected, 'carried, in several pages');
  t.equal(await step(drop), 'dropped');
  t.same(await shown(), expected, 'and dropped');
});

t.test('a month that must stay says why, and holds up those after it', async (t) => {
  const { databaseUrl, pool, step } = await open(t, 2);
  const [user = ''] = await addPlayers(pool, 1);
  const at = monthsAgo(2) + 5_000;
  const [id] = await addEvents(pool, [{ user, points: 5, at, status: 'held' }]);
  t.match(await step(close), { why: /^1 of its events are held/ });
  await pool.query(`UPDATE score_events SET status = 'voided'`);
  await pool.query('INSERT INTO consumed_tokens VALUES (gen_random_uuid(), $1, now())', [id]);
  t.match(await step(close), { why: /tokens .* are still remembered/ });
  await pool.query(`UPDATE consumed_tokens SET expires_at = 'infinity'`);
  const release = await holding(pool, (client) =>
    client.query(`LOCK TABLE ${tableOf(at)} IN ROW EXCLUSIVE MODE`),
  );
  t.equal(await step(close), 'later', 'somebody may be changing a status');
  await release();
  t.equal(await step(close), 'closed');
  const release2 = await holding(pool, (client) => client.query('SELECT FROM score_events LIMIT 1'));
  t.equal(await step(drop), 'later', 'somebody reads it');
  await release2();
  await withVerifier(databaseUrl, async (client) => {
    let tried: string | undefined;
    const slowly: Queryable = {
      query: async <R extends pg.QueryResultRow>(sql: string | pg.QueryConfig, values?: unknown[]) => {
        const result = await client.query<R>(sql, values);
        if (`${sql}`.includes('isKnown')) tried = await step(drop);
        return result;
      },
    };
    await verify(slowly, {}, () => {});
    t.equal(tried, 'later', 'a verification has made its snapshot');
  });
  while ((await step(close)) === 'closed') {
    await step(carry);
    t.equal(await step(drop), 'dropped');
  }
  t.match(await step(close), { why: 'it is not over for a day' });
});

t.test('months in the default partition leave the same way', async (t) => {
  const { pool, oldest, step, differences } = await open(t, 1);
  const [user = ''] = await addPlayers(pool, 1);
  await addEvents(pool, [
    { user, points: 5, at: monthsAgo(3) },
    { user, points: 9, at: monthsAgo(1) },
  ]);
  await recompute(pool);
  t.match(await oldest(), { name: nameOf(monthsAgo(3)), partition: null });
  t.equal(await step(close), 'closed');
  await step(carry);
  t.equal(await step(drop), 'dropped');
  t.equal((await oldest()).name, nameOf(monthsAgo(1)));
  t.same(await differences(), []);
});

t.test('the job drops months older than the retention, if there is one', async (t) => {
  const { pool, differences } = await open(t, 4);
  const [user = '', other = ''] = await addPlayers(pool, 2);
  await addEvents(pool, [
    { user, points: 5, at: monthsAgo(4) },
    { user, points: 7, at: monthsAgo(3) },
    { user: other, points: 7, at: monthsAgo(2), status: 'held' },
    { user, points: 7, at: monthsAgo(1) },
  ]);
  await recompute(pool);
  const kept: string[] = [];
  const archiving = await holding(pool, (client) =>
    client.query('SELECT pg_advisory_xact_lock($1)', [ARCHIVE_LOCK]),
  );
  const run = async (retention: number | null) => {
    const job = partitions({
      retention,
      onKept: (month, why) => kept.push(`${month}: ${why}`),
      onLarge: () => {},
    });
    for (let n = 0; n < 40; n++) await transact(pool, (client) => job.bite(client, {}));
    return (await partitionsOf(pool, SCORE_EVENTS))[0]?.name;
  };
  t.equal(await run(null), tableOf(monthsAgo(4)));
  const overTwo = (Date.now() - monthsAgo(2)) / 1_000 + DAY_S;
  t.equal(await run(overTwo), tableOf(monthsAgo(4)), 'an archive is being made');
  await archiving();
  t.equal(await run(overTwo), tableOf(monthsAgo(3)));
  t.same(kept, []);
  t.equal(
    await run((Date.now() - monthsAgo(1)) / 1_000 - 60),
    tableOf(monthsAgo(2)),
    'that one has a held event',
  );
  t.match(kept[0], new RegExp(`^${nameOf(monthsAgo(2))}: 1 of its events are held`));
  t.same(await differences(), []);
});
