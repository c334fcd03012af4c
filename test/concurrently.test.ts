import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { concurrently } from '../src/concurrently.js';

t.test('as many are under way as may be, and each item has its turn', async (t) => {
  let underWay = 0;
  let most = 0;
  const done: number[] = [];
  await concurrently([1, 2, 3, 4, 5, 6, 7], 3, async (n) => {
    most = Math.max(most, ++underWay);
    await turn();
    underWay--;
    done.push(n);
  });
  t.equal(most, 3);
  t.same(done.sort(), [1, 2, 3, 4, 5, 6, 7]);
});

for (const failing of [0, 1, 2, 3]) {
  t.test(`a failure is told, also if others end in the same moment (${failing})`, async (t) => {
    const ends: (() => void)[] = [];
    const all = concurrently([0, 1, 2, 3], 4, (n) => {
      return new Promise((resolve, reject) => {
        ends.push(() => (n === failing ? reject(new Error('lost')) : resolve()));
      });
    });
    for (const end of ends) end();
    await t.rejects(all, { message: 'lost' });
  });
}
