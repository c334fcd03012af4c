import t from 'tap';
import { reportTap } from '../../scripts/tap-report.js';

async function report(tap: string) {
  const printed: string[] = [];
  const lines = (async function* () {
    yield* tap.split('\n');
  })();
  const totals = await reportTap(lines, (line) => printed.push(line));
  return { totals, printed };
}

const GOOD = `# Subtest: dist/test/good.test.js
    # Subtest: adds
        ok 1 - should be equal
        # said by the test
        1..1
    ok 1 - adds # time=1.5ms

    ok 2 - mounts # SKIP not here
    1..2
    # time=13.3ms
ok 1 - dist/test/good.test.js # time=1234.5ms
`;

const BAD = `# Subtest: dist/test/bad.test.js
    # Subtest: adds
        ok 1 - fine
        not ok 2 - should be equal
          ---
          diff: |
            -2
            +1
          ...

        1..2
    not ok 1 - adds # time=1.5ms
    1..1
not ok 2 - dist/test/bad.test.js # time=100ms
  ---
  command: /usr/bin/node
  args:
    - /x/bad.test.js
  exitCode: 1
  signal: null
  ...
`;

t.test('a file that passed is one line, after what it remarked and skipped', async (t) => {
  const { printed, totals } = await report(`TAP version 14\n1..1\n${GOOD}\n# { total: 2, pass: 1, skip: 1 }`);
  t.same(printed, [
    '        # said by the test',
    '    ok 2 - mounts # SKIP not here',
    'ok     test/good.test.ts 1.2 s',
  ]);
  t.same(totals, { passed: 1, failed: 0 });
});

t.test('of a file that failed, what failed is shown, and how it ended', async (t) => {
  const { printed, totals } = await report(
    `${GOOD}${BAD}${GOOD}# { total: 4, pass: 3, fail: 1 }\n# time=2ms`,
  );
  t.same(printed.slice(3, -3), [
    '    # Subtest: adds',
    '        not ok 2 - should be equal',
    '          ---',
    '          diff: |',
    '            -2',
    '            +1',
    '          ...',
    '    not ok 1 - adds # time=1.5ms',
    'FAILED test/bad.test.ts 0.1 s',
    '  exitCode: 1',
  ]);
  t.same(totals, { passed: 3, failed: 1 });
});

t.test('a run that was cut off is a failure, and shows what there was', async (t) => {
  const { printed, totals } = await report('# Subtest: dist/test/bad.test.js\n    not ok 1 - x\nBail out! x');
  t.same(printed, ['    not ok 1 - x', 'Bail out! x']);
  t.same(totals, { passed: 0, failed: 1 });
});
