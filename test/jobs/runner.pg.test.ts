import assert from 'node:assert/strict';
import { Type } from '@sinclair/typebox';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { addJob, addStandingJob, type JobKind, job } from '../../src/jobs/job.js';
import { JobRunner } from '../../src/jobs/runner.js';
import { transact } from '../../src/postgres/database.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { holding, waiting } from '../ledger/waiting.js';

const Count = Type.Object({ of: Type.String(), from: Type.Integer(), to: Type.Integer() });
/** Writes numbers to a table, one a bite. */
const COUNT: JobKind<typeof Count> = { name: 'count', payload: Count, keyOf: ({ of }) => of };
/** Does so once an hour. */
const TICK: JobKind<typeof Count> = { ...COUNT, name: 'tick' };

async function open(t: Test) {
  const url = await buildTestDatabase(t);
  const pool = openPool(t, url);
  await pool.query('CREATE TABLE counted (of text, n integer, CHECK (n <> 13))');
  const errors: string[] = [];
  const shown: number[] = [];
  const count = job(COUNT, async (client, { of, from, to }) => {
    await client.query('INSERT INTO counted VALUES ($1, $2)', [of, from]);
    return {
      ...(from < to && { rest: { of, from: from + 1, to } }),
      committed: async () => {
        shown.push(from);
        if (from === 2) throw new Error('cannot show 2');
      },
    };
  });
  const tick = job(TICK, async (client, rest) => {
    await client.query('INSERT INTO counted VALUES ($1, $2)', [rest.of, rest.from]);
    return { rest, afterMs: 3_600_000 };
  });
  const run = (standing: (pool: pg.Pool) => Promise<unknown> = async () => {}) => {
    const runner = new JobRunner({
      pool: openPool(t, url, { application_name: 'jobs', max: 3 }),
      jobs: [count, tick],
      atATime: 2,
      addStanding: standing,
      onError: (error) => errors.push(error instanceof Error ? error.message : String(error)),
      onDetail: () => {},
    });
    runner.start();
    t.teardown(() => runner.stop());
    return runner;
  };
  const numbers = async (of: string) => {
    const { rows } = await pool.query<{ n: number }>('SELECT n FROM counted WHERE of = $1 ORDER BY n', [of]);
    return rows.map(({ n }) => n);
  };
  const counted = (of: string, expected: number[]) =>
    eventually(async () => assert.deepEqual(await numbers(of), expected));
  /** The queue as it is when a process dies while it runs these jobs. */
  const die = () =>
    pool.query(
      "UPDATE scoreboard_jobs._private_jobs SET locked_by = 'dead', locked_at = now() - interval '1 h'",
    );
  const left = async () => (await pool.query('SELECT FROM scoreboard_jobs.jobs')).rowCount;
  return { pool, run, numbers, counted, errors, shown, die, left };
}

t.test('a job begins when what asked for it is committed, and goes on bite by bite', async (t) => {
  const { pool, run, counted, numbers, errors, shown, left } = await open(t);
  const runner = run();
  await t.rejects(
    transact(pool, async (client) => {
      await addJob(client, COUNT, { of: 'never', from: 1, to: 3 });
      throw new Error('changed my mind');
    }),
  );
  await addJob(pool, COUNT, { of: 'later', from: 1, to: 3 }, 3_600_000);
  await transact(pool, (client) => addJob(client, COUNT, { of: 'ada', from: 1, to: 3 }));
  await counted('ada', [1, 2, 3]);
  await eventually(async () => assert.equal(await left(), 1));
  t.same(shown, [1, 2, 3]);
  t.same(errors, ['cannot show 2'], 'what is committed stays, also if it cannot be shown');
  t.same([await numbers('never'), await numbers('later')], [[], []]);
  t.same(await runner.counts(), [{ job: 'count', state: 'waiting', count: 1 }]);

  await addJob(pool, COUNT, { of: 'later', from: 5, to: 5 });
  await counted('later', [5]);
  await eventually(async () =>
    assert.equal(await left(), 0, 'the same work was asked for twice, and replaced'),
  );
});

t.test('a bite that fails leaves nothing, is tried again, and holds up no other job', async (t) => {
  const { pool, run, counted, errors } = await open(t);
  const runner = run();
  await addJob(pool, COUNT, { of: 'ada', from: 12, to: 14 });
  await addJob(pool, COUNT, { of: 'bob', from: 1, to: 2 });
  await addJob(pool, { ...COUNT, keyOf: () => 'eve' }, JSON.parse('{"of": "eve"}'));
  await counted('bob', [1, 2]);
  await eventually(async () =>
    assert.deepEqual(await runner.counts(), [{ job: 'count', state: 'retrying', count: 2 }]),
  );
  await counted('ada', [12]);
  t.match(errors.join(), /counted_n_check/);
  t.match(errors.join(), /Expected/, 'a payload that is none');
  await pool.query('ALTER TABLE counted DROP CONSTRAINT counted_n_check');
  await counted('ada', [12, 13, 14]);
});

t.test(
  'the job of a process that has died goes on elsewhere, and what it has done is not lost',
  async (t) => {
    const { pool, run, counted, numbers, die, left } = await open(t);
    await addJob(pool, COUNT, { of: 'ada', from: 1, to: 3 });
    // Of bob's job the first bite is committed, which has asked for the second.
    await addJob(pool, COUNT, { of: 'bob', from: 1, to: 2 });
    await die();
    await pool.query("INSERT INTO counted VALUES ('bob', 1)");
    await addJob(pool, COUNT, { of: 'bob', from: 2, to: 2 });
    run();
    await counted('ada', [1, 2, 3]);
    await counted('bob', [1, 2]);
    await eventually(async () => assert.equal(await left(), 0));
    t.same(await numbers('bob'), [1, 2], 'nothing was done twice');
  },
);

t.test('lost connections cut off bites, and the work goes on', async (t) => {
  const { pool, run, counted, errors } = await open(t);
  run();
  const unlock = await holding(pool, (client) => client.query('LOCK TABLE counted'));
  await addJob(pool, COUNT, { of: 'ada', from: 1, to: 3 });
  await waiting(pool, 1);
  await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jobs'");
  await unlock();
  await counted('ada', [1, 2, 3]);
  t.ok(errors.length > 0, errors.join());
});

t.test('to stop waits for the bites under way, and begins no further one', async (t) => {
  const { pool, run, counted, numbers } = await open(t);
  const runner = run();
  const unlock = await holding(pool, (client) => client.query('LOCK TABLE counted'));
  await addJob(pool, COUNT, { of: 'ada', from: 1, to: 3 });
  await waiting(pool, 1);
  const stopped = runner.stop();
  await unlock();
  await stopped;
  t.same(await numbers('ada'), [1]);
  run();
  await counted('ada', [1, 2, 3]);
});

t.test('work that goes on for ever is asked for by every instance, and exists once', async (t) => {
  const { pool, run, numbers, left } = await open(t);
  const standing = (pool: pg.Pool) => addStandingJob(pool, TICK, { of: 'tick', from: 1, to: 1 });
  const runners = [run(standing), run(standing), run(standing)];
  const state = () => runners[0]?.counts();
  const rests = [{ job: 'tick', state: 'waiting', count: 1 }];
  await eventually(async () => {
    assert.notDeepEqual(await numbers('tick'), []);
    assert.deepEqual(await state(), rests);
  });
  await Promise.all(runners.map((runner) => runner.stop()));
  const before = await numbers('tick');
  const again = run(standing);
  await addJob(pool, COUNT, { of: 'ada', from: 1, to: 1 });
  await eventually(async () => assert.deepEqual(await numbers('ada'), [1]));
  await again.stop();
  t.same(await numbers('tick'), before, 'an instance that starts does not make it happen earlier');
  t.equal(await left(), 1);
});
