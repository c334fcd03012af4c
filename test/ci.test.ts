import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const COMMANDS = [
  'npm ci',
  'npm run lint',
  'npm run typecheck',
  'npm run docs:check',
  'npm ci --prefix deploy/aws',
  'npm test --prefix deploy/aws',
  'npm test',
];

/** Runs `.ci/run` where npm only prints what it was called with, and fails if that is `failing`. */
function runCi(t: Test, failing?: string) {
  const root = t.testdir({ bin: {}, '.ci': {} });
  copyFileSync('.ci/run', join(root, '.ci/run'));
  const npm = join(root, 'bin/npm');
  writeFileSync(npm, `#!/bin/sh\necho "ran npm $*"\ntest "npm $*" != "$FAILING"\n`);
  chmodSync(npm, 0o755);
  const { status, stdout } = spawnSync(join(root, '.ci/run'), {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'bin')}:${process.env['PATH']}`, FAILING: failing },
  });
  return { status, stdout };
}

t.test('CI runs every check, and succeeds if all of them do', async (t) => {
  const { status, stdout } = runCi(t);
  t.equal(status, 0);
  t.same([...stdout.matchAll(/^ran (.*)$/gm)].map(([, command]) => command).sort(), [...COMMANDS].sort());
  for (const command of COMMANDS)
    t.match(stdout, `== ${command}\nran ${command}\n`, 'its output follows its name');
});

for (const command of COMMANDS) {
  t.test(`CI fails if "${command}" fails, and says so at the end`, async (t) => {
    const { status, stdout } = runCi(t, command);
    t.equal(status, 1);
    t.match(stdout, new RegExp(`\n== FAILED: ${command}\n$`));
    if (command !== 'npm ci') t.match(stdout, 'ran npm test\n', 'the others run all the same');
  });
}
