import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { withDeadline } from '../src/deadline.js';
import { holdUp } from './hold-up.js';

t.test('work that is done in time gives its result or its own error', async (t) => {
  t.equal(await withDeadline(Promise.resolve(7), 60_000, 'too late'), 7);
  await t.rejects(withDeadline(Promise.reject(new Error('its own')), 60_000, 'too late'), {
    message: 'its own',
  });
});

t.test('work that takes longer is an error, and what becomes of it afterwards is ignored', async (t) => {
  let fail = (_error: Error): void => {};
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  await t.rejects(withDeadline(work, 1, 'too late'), { message: 'too late' });
  fail(new Error('nobody waits for this any more'));
});

t.test('no time passes while the process has no turn', async (t) => {
  const work = async () => {
    for (let steps = 0; steps < 5; steps++) await delay(1);
    return 7;
  };
  const result = withDeadline(work(), 1_000, 'too late');
  holdUp(1_500);
  t.equal(await result, 7);
});
