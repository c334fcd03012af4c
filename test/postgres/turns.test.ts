import pg from 'pg';
import t from 'tap';
import { inTurn } from '../../src/postgres/turns.js';

/** Work that ends when it is told to. */
function work() {
  const begun: (() => void)[] = [];
  const one = () => new Promise<void>((resolve) => begun.push(resolve));
  return { begun, one };
}

t.test('two of one key are done at a time, in the order of arrival; other keys do not wait', async (t) => {
  const pool = new pg.Pool();
  const { begun, one } = work();
  const order: number[] = [];
  const all = Array.from({ length: 6 }, (_, i) => inTurn(pool, 'a', one).then(() => order.push(i)));
  t.equal(begun.length, 2);
  await inTurn(pool, 'b', async () => {});
  await inTurn(new pg.Pool(), 'a', async () => {});
  for (let ended = 0; ended < 6; ended++) {
    t.equal(begun.length, Math.min(ended + 2, 6));
    begun[ended]?.();
    await all[ended];
  }
  t.same(order, [0, 1, 2, 3, 4, 5]);
});

t.test('a failure gives the turn to the next', async (t) => {
  const pool = new pg.Pool();
  const fail = () => Promise.reject(new Error('no'));
  const results = await Promise.allSettled(Array.from({ length: 9 }, () => inTurn(pool, 'a', fail)));
  t.ok(results.every(({ status }) => status === 'rejected'));
  t.equal(await inTurn(pool, 'a', async () => 7), 7);
});

t.test('neither many nor long waits have no end', async (t) => {
  const pool = new pg.Pool();
  const { begun, one } = work();
  const all = Array.from({ length: 67 }, () => inTurn(pool, 'a', one));
  const tooMany = { code: 'rate-limited', retryAfter: 1 };
  await t.rejects(all[66] ?? Promise.resolve(), tooMany, 'the line is full');
  await Promise.all(all.slice(2, 66).map((one) => t.rejects(one, tooMany, 'two seconds are over')));
  for (const end of begun) end();
  await Promise.all(all.slice(0, 2));
  t.equal(begun.length, 2, 'who has left is not done');
});
