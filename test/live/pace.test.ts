import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Pace } from '../../src/live/pace.js';
import { eventually } from './live-server.js';

const noErrors = (error: unknown) => {
  throw error;
};

t.test('a first request runs at once, but after the caller is done', async (t) => {
  let runs = 0;
  const pace = new Pace(
    async () => {
      runs++;
    },
    60_000,
    noErrors,
  );
  pace.request();
  t.equal(runs, 0);
  await eventually(() => runs === 1);
});

t.test('a request during a run is followed by another whole run, and runs never overlap', async (t) => {
  let running = 0;
  const ends: (() => void)[] = [];
  const pace = new Pace(
    async () => {
      t.equal(++running, 1);
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
    },
    0,
    noErrors,
  );
  pace.request();
  await eventually(() => ends.length === 1);
  pace.request();
  pace.request();
  await sleep(5);
  t.equal(ends.length, 1);
  ends[0]?.();
  await eventually(() => ends.length === 2);
  ends[1]?.();
  await sleep(5);
  t.equal(ends.length, 2, 'and then it is idle');
});

t.test('runs start at least a rest after the last one ended', async (t) => {
  const restMs = 20;
  const starts: number[] = [];
  let endedAt = Number.NEGATIVE_INFINITY;
  const pace = new Pace(
    async () => {
      starts.push(performance.now() - endedAt);
      await sleep(5);
      endedAt = performance.now();
    },
    restMs,
    noErrors,
  );
  while (starts.length < 6) {
    pace.request();
    await sleep(1);
  }
  // A Node timer may fire a millisecond early.
  t.ok(
    starts.every((ms) => ms >= restMs - 1),
    `${starts}`,
  );
});

t.test('a failed run is repeated unasked until it succeeds', async (t) => {
  const errors: unknown[] = [];
  let runs = 0;
  const pace = new Pace(
    async () => {
      if (++runs <= 3) throw new Error(`failure ${runs}`);
    },
    1,
    (error) => errors.push(error),
  );
  pace.request();
  await eventually(() => runs === 4);
  await sleep(5);
  t.equal(runs, 4);
  t.match(errors, [{ message: 'failure 1' }, { message: 'failure 2' }, { message: 'failure 3' }]);
});
