import t from 'tap';
import { whenStarted } from '../../src/postgres/when-started.js';

const failing = (code: string) => async () => {
  throw Object.assign(new Error('no'), { code });
};
const noWait = () => {};

t.test('only what may come from a start is waited for, and not for ever', async (t) => {
  const waits: string[] = [];
  const brief = { patienceMs: -1 };
  for (const code of ['57P03', 'ECONNREFUSED', 'ECONNRESET'])
    await t.rejects(whenStarted(failing(code), noWait, brief), { code }, code);
  for (const code of ['28P01', '3D000', 'ENOTFOUND', '08P01'])
    await t.rejects(
      whenStarted(failing(code), (reason) => waits.push(reason)),
      { code },
      code,
    );
  t.same(waits, [], 'what is a mistake is told at once');
});

t.test('it is tried until it works', async (t) => {
  const waits: string[] = [];
  let tries = 0;
  const work = async () => {
    if (++tries < 3) throw new AggregateError([Object.assign(new Error('no'), { code: 'ECONNREFUSED' })]);
    return 'done';
  };
  t.equal(await whenStarted(work, (reason) => waits.push(reason)), 'done');
  t.equal(waits.length, 1);
  t.equal(tries, 3);
});
