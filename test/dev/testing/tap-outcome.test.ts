import assert from 'node:assert/strict';
import t from 'tap';
import { type Outcome, outcomesOf } from '../../../dev/testing/tap-outcome.js';

async function outcomesFrom(...tap: string[]): Promise<Outcome[]> {
  const output = (async function* () {
    yield* tap;
  })();
  const outcomes: Outcome[] = [];
  for await (const outcome of outcomesOf(output)) outcomes.push(outcome);
  return outcomes;
}

/** Of a file with this TAP. */
async function outcomeOf(...tap: string[]): Promise<Outcome> {
  const lines = `# Subtest: a file\n${tap.join('').replaceAll(/^/gm, '    ')}`.trimEnd();
  const [outcome] = await outcomesFrom(...`${lines}\nok 1 - a file\n1..1\n`.split(/(?<= 2 )/));
  assert(outcome);
  return outcome;
}

t.test('assertions are counted where they are made, in whatever pieces they come', async (t) => {
  const outcome = await outcomeOf(
    'TAP version 14\n# Subtest: adds\n    ok 1 - one\n    ok 2 ',
    '- two\n    1..2\nok 1 - adds # time=1.5ms\n# Subtest: throws nothing\n    1..0\nok 2 - throws nothing\n1..2\n',
    '# { total: 3, pass: 3 }\n# time=2ms\n',
  );
  t.match(outcome, { passed: 3, failed: 0, skipped: 0, remarks: [], failures: [] });
});

t.test('what tests remark and skip is kept', async (t) => {
  const outcome = await outcomeOf(
    '# Subtest: adds\n    # seen after 12 ms\n    ok 1 - mounts # SKIP not here\n    1..1\nok 1 - adds\n1..1\n',
  );
  t.match(outcome, { passed: 0, failed: 0, skipped: 1 });
  t.same(outcome.remarks, ['# seen after 12 ms', '# skipped: adds > mounts: not here']);
});

t.test('a failure is named by its way through the subtests, with its diagnosis', async (t) => {
  const outcome = await outcomeOf(`# Subtest: adds
    ok 1 - fine
    not ok 2 - should be equal
      ---
      diff: |
        -2
        +1
      ...
    1..2
not ok 1 - adds
1..1
`);
  t.match(outcome, { passed: 1, failed: 1 });
  t.same(outcome.failures, ['adds > should be equal\n  diff: |\n    -2\n    +1']);
});

t.test('a subtest that fails for a reason of its own is a failure', async (t) => {
  const outcome = await outcomeOf('# Subtest: adds\n    ok 1 - fine\n    1..2\nnot ok 1 - adds\n1..1\n');
  t.equal(outcome.failed, 1);
  t.match(outcome.failures[0], /^adds/);
});

const FILE = '# Subtest: a file\n    ok 1 - fine\n';

t.test('each file has an outcome of its own', async (t) => {
  const outcomes = await outcomesFrom(
    `${FILE}    1..1\nok 1 - a file\n# Subtest: another\n    not ok 1 - right\n    1..1\nnot ok 2 - another\n1..2\n`,
  );
  t.match(outcomes, [
    { passed: 1, failed: 0 },
    { passed: 0, failed: 1, failures: ['right'] },
  ]);
});

t.test('a file that fails for a reason of its own is a failure', async (t) => {
  t.match(await outcomesFrom(`${FILE}    1..1\nnot ok 1 - a file\n1..1\n`), [
    { failed: 1, failures: ['a file'] },
  ]);
});

t.test('output that is cut off is a failure', async (t) => {
  t.match(await outcomesFrom(FILE), [{ passed: 1, failed: Number }]);
  t.not((await outcomesFrom(FILE))[0]?.failed, 0);
  t.not((await outcomesFrom(`${FILE}Bail out! no more\n`))[0]?.failed, 0);
});
