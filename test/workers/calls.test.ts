import t, { type Test } from 'tap';
import { type Answers, Calls } from '../../src/workers/calls.js';

/** Two ends whose messages go through JSON, as between processes. */
function connect(t: Test, answers: Answers) {
  let messages = 0;
  const over = (to: () => Calls) => (message: object) => {
    messages++;
    to().receive(JSON.parse(JSON.stringify(message)));
  };
  const near: Calls = new Calls(
    over(() => far),
    {},
  );
  const far: Calls = new Calls(
    over(() => near),
    answers,
  );
  t.teardown(() => {
    near.close();
    far.close();
  });
  return { near, far, messages: () => messages };
}

t.test('a call returns what the other process answers, or throws what it throws', async (t) => {
  const { near } = connect(t, {
    add: ([a, b]) => Number(a) + Number(b),
    later: async ([value]) => value,
    nothing: () => undefined,
    fail: () => {
      throw new Error('no reason');
    },
    'fail-later': async () => {
      throw new Error('no reason');
    },
  });
  t.equal(await near.call('add', 1, 2), 3);
  t.same(await near.call('later', { a: ['b'] }), { a: ['b'] });
  t.equal(await near.call('nothing'), null);
  await t.rejects(near.call('fail'), { message: /has failed: no reason/ });
  await t.rejects(near.call('fail-later'), { message: /has failed: no reason/ });
  await t.rejects(near.call('unknown'), { message: /there is no unknown/ });
  await t.rejects(near.call('toString'), { message: /there is no toString/ });
});

t.test('the calls of one turn travel in one message, and so do their answers', async (t) => {
  const { near, messages } = connect(t, { double: ([n]) => 2 * Number(n) });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => near.call('double', n)));
  t.same(
    answers,
    Array.from({ length: 100 }, (_, n) => 2 * n),
  );
  t.equal(messages(), 2);
});

t.test('a process that does not answer, or ends, is not waited for', async (t) => {
  const { near } = connect(t, { never: () => new Promise(() => {}) });
  // Nothing else would keep this process waiting.
  const waits = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(waits));
  await t.rejects(near.call('never'), { message: /has not answered in time/ });
  const open = near.call('never');
  near.close();
  await t.rejects(open, { message: /has ended/ });
});

t.test('what is no message is not read', async (t) => {
  const { far } = connect(t, {});
  for (const garbage of [null, 'text', { calls: 'x', results: [] }, { calls: [[1, 'add']], results: [] }])
    t.doesNotThrow(() => far.receive(garbage));
});
