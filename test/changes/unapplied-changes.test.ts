import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { UnappliedChanges } from '../../src/changes/unapplied-changes.js';

t.test('a change that its writer does not report as applied is overdue, once', async (t) => {
  const { changes, pass, overdue } = await start(t);
  changes.expect('global:1', 'evt_1', overdue('evt_1'));
  changes.expect('global:1', 'evt_2', overdue('evt_2'));
  changes.expect('laps:1', 'evt_2', overdue('evt_2 on laps'));
  changes.applied('global:1', 'evt_2');
  await pass(400);
  t.same(overdue.called, []);
  await pass(2_000);
  t.same(overdue.called, ['evt_1', 'evt_2 on laps']);
});

t.test('a report may come before its change, and serves all its parts', async (t) => {
  const { changes, pass, overdue } = await start(t);
  changes.applied('global:1', 'evt_1');
  changes.expect('global:1', 'evt_1', overdue('first part'));
  changes.expect('global:1', 'evt_1', overdue('second part'));
  await pass(2_000);
  t.same(overdue.called, []);
});

t.test('each part of an unreported change is overdue', async (t) => {
  const { changes, pass, overdue } = await start(t);
  changes.expect('global:1', 'evt_1', overdue('first part'));
  changes.expect('global:1', 'evt_1', overdue('second part'));
  await pass(2_000);
  t.same(overdue.called, ['first part', 'second part']);
});

t.test('changes are settled when each was reported, or somebody else has applied it', async (t) => {
  const { changes, pass, overdue } = await start(t);
  await changes.settled();
  const order: string[] = [];
  const confirmed = [() => {}];
  changes.expect('global:1', 'evt_1', overdue('evt_1'));
  changes.expect('global:1', 'evt_2', () => new Promise<void>((resolve) => confirmed.push(resolve)));
  const settled = changes.settled().then(() => order.push('settled'));
  changes.expect('global:1', 'evt_3', overdue('evt_3'));
  changes.applied('global:1', 'evt_1');
  await pass(1_000);
  t.same(order, [], 'evt_2 is being applied');
  const later = changes.settled().then(() => order.push('later'));
  await nextTurn();
  t.same(order, [], 'also for who asks only now');
  for (const resolve of confirmed) resolve();
  await Promise.all([settled, later]);
});

t.test('what it remembers is bounded', async (t) => {
  const { changes, overdue } = await start(t);
  for (let n = 0; n < 50_000; n++)
    if (!changes.expect('global:1', `evt_${n}`, overdue(''))) t.fail(`${n} are refused`);
  t.equal(changes.expect('global:1', 'evt_50000', overdue('')), false);
});

async function start(t: import('tap').Test) {
  mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const clock = mock.method(performance, 'now', () => now);
  const changes = new UnappliedChanges((error) => {
    throw error;
  });
  t.teardown(() => {
    void changes.close();
    clock.mock.restore();
    mock.timers.reset();
  });
  const called: string[] = [];
  const overdue = Object.assign((name: string) => () => void called.push(name), { called });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      now += 100;
      mock.timers.tick(100);
      await nextTurn();
    }
  };
  return { changes, pass, overdue };
}
