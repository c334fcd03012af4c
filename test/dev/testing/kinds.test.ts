import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { findTests, testFile } from '../../../dev/testing/kinds.js';

t.test('the kind of a test is the last part of its name', async (t) => {
  t.same(testFile('test/ids.test.ts'), { path: 'test/ids.test.ts', kind: 'unit' });
  t.equal(testFile('test/client/widget.browser.test.ts').kind, 'browser');
  t.throws(() => testFile('test/widget.bowser.test.ts'), { message: /no kind "bowser"/ });
});

t.test('every test of this repository is found', async (t) => {
  const paths = findTests().map(({ path }) => path);
  t.ok(paths.includes('test/dev/testing/kinds.test.ts'));
  t.ok(paths.length > 100);
});

t.test('a file or a kind that there is not ends the run before it begins', async (t) => {
  const run = (...args: string[]) => promisify(execFile)(process.execPath, ['dist/dev/test.js', ...args]);
  await t.rejects(run('test/nothing.test.ts'), {
    code: 1,
    stderr: 'There is no test test/nothing.test.ts\n',
  });
  await t.rejects(run('--kind', 'integral'), {
    code: 1,
    stderr: /^There is no kind of test "integral", only unit, /,
  });
});
