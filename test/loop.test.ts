import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { Backoff, Loop } from '../src/loop.js';
import { holdUp } from './hold-up.js';

const onError = (error: unknown) => {
  throw error;
};

t.before(() => mock.timers.enable({ apis: ['setTimeout'] }));
t.after(() => mock.timers.reset());

/** Lets time pass, and whatever was due then happen. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await nextTurn();
  await nextTurn();
}

/** A job whose runs end when the test says so. */
class Job {
  begun = 0;
  #end = (_error?: Error): void => {};

  readonly run = (): Promise<void> => {
    this.begun++;
    return new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error));
    });
  };

  async end(error?: Error): Promise<void> {
    this.#end(error);
    await pass(0);
  }
}

t.test('a requested run begins at once, but after the caller is done', async (t) => {
  const job = new Job();
  const loop = new Loop(job.run, { onError, restMs: 60_000 });
  loop.request();
  t.equal(job.begun, 0);
  await pass(0);
  t.equal(job.begun, 1);
});

t.test('requests before a run begins share it, and those during a run share the next', async (t) => {
  const job = new Job();
  const loop = new Loop(job.run, { onError });
  loop.request();
  loop.request();
  await pass(0);
  loop.request();
  loop.request();
  await pass(1_000);
  t.equal(job.begun, 1, 'never two at a time');
  await job.end();
  await pass(1);
  t.equal(job.begun, 2);
  await job.end();
  await pass(1_000);
  t.equal(job.begun, 2, 'and then it is idle');
});

t.test('a run begins no sooner than the rest after the last one began', async (t) => {
  const job = new Job();
  const loop = new Loop(job.run, { onError, restMs: 100 });
  loop.request();
  await pass(0);
  await pass(30);
  await job.end();
  loop.request();
  await pass(69);
  t.equal(job.begun, 1);
  await pass(1);
  t.equal(job.begun, 2);
});

t.test(
  'ten requests a second at even distances are ten runs, each at once, however long a run takes',
  async (t) => {
    const job = new Job();
    const loop = new Loop(job.run, { onError, restMs: 100 });
    for (let n = 1; n <= 10; n++) {
      loop.request();
      await pass(0);
      t.equal(job.begun, n);
      await pass(60);
      await job.end();
      await pass(40);
    }
  },
);

t.test('a run that takes longer than the rest is followed by the next at once', async (t) => {
  const job = new Job();
  const loop = new Loop(job.run, { onError, restMs: 100 });
  loop.request();
  await pass(0);
  await pass(150);
  loop.request();
  await pass(0);
  t.equal(job.begun, 1, 'never two at a time');
  await job.end();
  t.equal(job.begun, 2);
});

t.test('a run that has done nothing may say so: the next need not wait', async (t) => {
  const job = new Job();
  const loop = new Loop(
    () => {
      const run = job.run();
      if (job.begun === 1) loop.skipRest();
      return run;
    },
    { onError, restMs: 100 },
  );
  loop.request();
  await pass(0);
  await job.end();
  loop.request();
  await pass(0);
  t.equal(job.begun, 2);
  await job.end();
  loop.request();
  await pass(99);
  t.equal(job.begun, 2, 'the second run has a rest');
  await pass(1);
  t.equal(job.begun, 3);
});

t.test('a failed run is repeated unasked, each time after a longer wait, until one succeeds', async (t) => {
  const job = new Job();
  const errors: unknown[] = [];
  const loop = new Loop(job.run, {
    onError: (error) => errors.push(error),
    firstBackoffMs: 100,
    maxBackoffMs: 200,
  });
  loop.request();
  await pass(0);
  for (const waitMs of [100, 200, 200]) {
    const { begun } = job;
    await job.end(new Error(`run ${begun}`));
    await pass(waitMs / 2 - 1);
    t.equal(job.begun, begun);
    await pass(waitMs / 2 + 1);
    t.equal(job.begun, begun + 1);
  }
  await job.end();
  await pass(10_000);
  t.equal(job.begun, 4);
  t.match(errors, [{ message: 'run 1' }, { message: 'run 2' }, { message: 'run 3' }]);
});

t.test(
  'a run that fails while the process is held up is reported only if the next one fails too',
  async (t) => {
    const job = new Job();
    const errors: unknown[] = [];
    const loop = new Loop(job.run, { onError: (error) => errors.push(error) });
    const fail = async (message: string) => {
      holdUp(600);
      await job.end(new Error(message));
    };
    loop.request();
    await pass(0);
    await fail('run 1');
    t.same(errors, []);
    await pass(100);
    await job.end();
    loop.request();
    await pass(0);
    await fail('run 3');
    t.same(errors, []);
    await pass(100);
    await fail('run 4');
    t.match(errors, [{ message: 'run 4' }]);
  },
);

t.test(
  'a schedule runs the job again that long after each run, and a request in between comes first',
  async (t) => {
    const job = new Job();
    const loop = new Loop(job.run, { onError, everyMs: 1_000, restMs: 10 }).start(500);
    await pass(500);
    t.equal(job.begun, 1);
    await pass(5_000);
    await job.end();
    await pass(10);
    await pass(989);
    t.equal(job.begun, 1, 'counted from the end of the run');
    await pass(1);
    t.equal(job.begun, 2);
    await job.end();
    await pass(10);
    loop.request();
    await pass(0);
    t.equal(job.begun, 3, 'asked for');
    await job.end();
    await pass(10);
    await pass(989);
    t.equal(job.begun, 3);
    await pass(1);
    t.equal(job.begun, 4);
  },
);

t.test('a request and a timer that are due together are one run', async (t) => {
  const job = new Job();
  const loop = new Loop(job.run, { onError, everyMs: 1_000 }).start();
  mock.timers.tick(999);
  loop.request();
  mock.timers.tick(1);
  t.equal(job.begun, 1);
  await job.end();
  await pass(1);
  t.equal(job.begun, 1);
});

t.test(
  'stop aborts the run under way, waits for its end, reports no error of it, and begins no other',
  async (t) => {
    let aborted = false;
    let stopped = false;
    const job = new Job();
    const loop = new Loop(
      async (signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        await job.run();
      },
      { onError, everyMs: 1_000 },
    );
    loop.request();
    await pass(0);
    loop.request();
    const stop = loop.stop().then(() => {
      stopped = true;
    });
    await pass(0);
    t.ok(aborted);
    t.notOk(stopped);
    await job.end(new Error('ended by the signal'));
    await stop;
    loop.request();
    loop.start();
    await pass(10_000);
    t.equal(job.begun, 1);
  },
);

t.test('stop of a loop that is idle or rests resolves, and its timers are gone', async (t) => {
  const job = new Job();
  const idle = new Loop(job.run, { onError, everyMs: 1_000 }).start();
  const resting = new Loop(job.run, { onError, restMs: 1_000 });
  resting.request();
  await pass(0);
  await job.end();
  resting.request();
  await Promise.all([idle.stop(), resting.stop()]);
  await pass(10_000);
  t.equal(job.begun, 1);
});

t.test(
  'a back-off doubles up to its limit, is varied by up to a half, and begins again after a reset',
  (t) => {
    const backoff = new Backoff(20, 500);
    for (const longest of [20, 40, 80, 160, 320, 500, 500]) {
      const ms = backoff.next();
      t.ok(ms >= longest / 2 && ms <= longest, `${ms} of ${longest}`);
    }
    backoff.reset();
    t.ok(backoff.next() <= 20);
    t.end();
  },
);
