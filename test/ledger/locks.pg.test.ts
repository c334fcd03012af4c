import type pg from 'pg';
import t, { type Test } from 'tap';
import { buildTestDatabase } from '../helper.js';
import { openPool, prepare, shuffled, sum, withPool } from './game-server.js';
import { newLedger, outcome, outcomes, submission } from './ledgers.js';
import { deadlocks, truth } from './truth.js';
import { during, holding, whileLocked } from './waiting.js';

async function open(t: Test, players: number) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, players);
  const pool = openPool(t, databaseUrl);
  const own = newLedger(pool);
  return { users, user: users[0] ?? '', pool, own, ...own };
}

t.test('the first scores of a user on two instances at the same moment', async (t) => {
  const { pool, user, own, ledger, errors } = await open(t, 1);
  const other = newLedger(pool);
  const both = await whileLocked(
    pool,
    (client) => client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [user]),
    [own, other],
    () => Promise.all([outcome(ledger, submission(user, 3)), outcome(other.ledger, submission(user, 4))]),
  );
  const steps = JSON.stringify(both);
  t.ok(steps === '[[null,3],[3,7]]' || steps === '[[4,7],[null,4]]', steps);
  t.equal((await truth(pool, 'global'))[0]?.score, 7);
  t.same([...errors, ...other.errors], [], 'nothing to report');
});

t.test('a batch sees what has become of its users while it waited for them', async (t) => {
  const { pool, users, own, ledger } = await open(t, 3);
  const changes = ['banned_at = now()', 'erased_at = now()', "display_name = 'Another'"];
  const found: unknown[] = [];
  for (const [i, change] of changes.entries()) {
    const user = users[i] ?? '';
    const make = async (client: pg.ClientBase) => {
      await client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [user]);
      await client.query(`UPDATE users SET ${change} WHERE id = uuid_of($1)`, [user]);
    };
    found.push(await whileLocked(pool, make, [own], () => outcome(ledger, submission(user, 1))));
  }
  t.same(found, ['user-banned', 'not-found', [null, 1]]);
  const board = await truth(pool, 'global');
  t.same(
    board.map(({ userId }) => userId),
    users.slice(2),
    'who left does not come back',
  );
});

t.test('a batch sees what has become of its boards while it waited for them', async (t) => {
  const { pool, user, ledger } = await open(t, 1);
  const found: unknown[] = [];
  for (const change of ["title = 'Another'", "operator = 'latest'", 'season = 2']) {
    const make = async (client: pg.ClientBase) => {
      await client.query("SELECT FROM leaderboards WHERE id = 'global' FOR UPDATE");
      await client.query(`UPDATE leaderboards SET ${change} WHERE id = 'global'`);
    };
    found.push(await during(pool, make, 1, () => outcome(ledger, submission(user, 5))));
  }
  t.same(found, [
    [null, 5],
    [5, 5],
    [null, 5],
  ]);
});

const LIMITS = { cooldownMs: null, dailyLimit: 1_000, boards: [] };
for (const limits of [null, LIMITS]) {
  t.test(`a locked user holds up nobody else (${limits === null ? 'without' : 'with'} limits)`, async (t) => {
    const { pool, users, ledger, errors } = await open(t, 3);
    const [locked = '', first = '', second = ''] = users;
    const score = (user: string, points: number) => outcome(ledger, submission(user, points, { limits }));
    const commit = await holding(pool, (client) =>
      client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [locked]),
    );
    let isOver = false;
    // One after the other, and some of another user, in the batches of the others.
    const own = Promise.all([score(locked, 1), score(first, 1), score(locked, 2), score(locked, 3)]);
    void own.then(() => {
      isOver = true;
    });
    for (let i = 0; i < 20; i++) {
      t.same(await Promise.all([score(second, 1), score(first, 0)]).then((both) => both.length), 2);
      t.notOk(isOver);
    }
    await commit();
    t.same(await own, [
      [null, 1],
      [null, 1],
      [1, 3],
      [3, 6],
    ]);
    const truths = new Map((await truth(pool, 'global')).map(({ userId, score }) => [userId, score]));
    t.same(
      [...truths].sort(),
      [
        [locked, 6],
        [first, 1],
        [second, 20],
      ].sort(),
    );
    t.same(errors, []);
  });
}

t.test('who stays locked is told so in time; nothing is lost or counted twice', async (t) => {
  const { pool, users, ledger } = await open(t, 2);
  const [locked = '', other = ''] = users;
  const commit = await holding(pool, (client) =>
    client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [locked]),
  );
  const score = submission(locked, 5);
  const first = outcome(ledger, score);
  t.same(await outcome(ledger, submission(other, 5)), [null, 5]);
  t.equal(await first, 'service-unavailable');
  await commit();
  t.same(await outcome(ledger, score), [null, 5]);
  await ledger.drain();
});

t.test('two instances that record the same users in different orders do not deadlock', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 40);
  await withPool(databaseUrl, async (pool) => {
    const instances = [newLedger(pool), newLedger(pool)];
    for (let round = 0, order = users; round < 5; round++) {
      order = shuffled(order);
      const orders = [order, order.toReversed()];
      const batches = orders.map((order) => order.map((user) => submission(user, 1)));
      // Both have as many of their locks as they can get; the others come when this one is free.
      const middle = (client: pg.ClientBase) =>
        client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [order[20]]);
      await whileLocked(pool, middle, instances, () =>
        Promise.all(instances.map(({ ledger }, i) => outcomes(ledger, batches[i] ?? []))),
      );
    }
    t.same(
      instances.flatMap(({ errors }) => errors),
      [],
    );
    t.equal(sum((await truth(pool, 'global')).map(({ score }) => score)), 40 * 2 * 5);
  });
  t.equal(await deadlocks(openPool(t, process.env['TEST_POSTGRES_URL'] ?? ''), databaseUrl), 0);
});
