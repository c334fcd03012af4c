import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';

t.setTimeout(240_000);

t.test('tap runs a test by its source, with the database that it needs', async (t) => {
  // As from a shell: nothing of the run that this test is part of.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TAP|TEST_)/.test(name)));
  const run = (...args: string[]) =>
    promisify(execFile)('node_modules/.bin/tap', [...args, '--reporter=tap'], { env });
  const { stdout } = await run('test/changes/change-feed.pg.test.ts');
  t.match(stdout, /^ok 1 - test\/changes\/change-feed\.pg\.test\.ts /m);
  t.match(stdout, /^# \{ total: \d+, pass: \d+ \}$/m);
});
