import t from 'tap';
import { withDeadline } from '../src/deadline.js';

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
