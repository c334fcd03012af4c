import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { query } from '../../dev/databases.js';

t.setTimeout(240_000);

t.test('tap runs a test by its source, with the database that it needs', async (t) => {
  // As from a shell: nothing of the run that this test is part of.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(_?TAP|TEST_|NODE_V8_COVERAGE$)/.test(name)),
  );
  const run = (...args: string[]) =>
    promisify(execFile)('node_modules/.bin/tap', [...args, '--reporter=tap'], { env });
  const { stdout } = await run('test/access/service-accounts.pg.test.ts');
  t.match(stdout, /^ok 1 - test\/access\/service-accounts\.pg\.test\.ts /m);
  t.match(stdout, /^# \{ total: \d+, pass: \d+ \}$/m);

  const Environment = Type.Object({ TEST_POSTGRES_URL: Type.String() });
  const written = Value.Parse(Environment, JSON.parse(readFileSync('.tap/environment.json', 'utf8')));
  await t.rejects(
    query(written.TEST_POSTGRES_URL, 'SELECT'),
    { code: 'ECONNREFUSED' },
    'which ends with tap',
  );
});
