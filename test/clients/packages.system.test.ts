import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { pythonPackage } from '../../dev/test-packages.js';
import { ensureTestProgram } from '../../dev/test-program.js';
import { ACTION_TOKEN_SECRET, buildTestApp } from '../helper.js';

/** The clients for Python and Go: built as their users get them, they run their own tests and examples against the service. */

const run = promisify(execFile);

const [service, uv] = await Promise.all([buildTestApp(t), pythonPackage('uv==0.13.9')]);
const account = await service.app.serviceAccounts.create('clients', 'server');
const ENV = {
  ...process.env,
  ...{
    SCOREBOARD_URL: service.url,
    CLIENT_ID: account.id,
    CLIENT_SECRET: account.secret,
    ACTION_TOKEN_SECRET,
  },
  // Only what this machine has, which may be no compiler of C.
  ...{ UV_PYTHON_DOWNLOADS: 'never', GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '', CGO_ENABLED: '0' },
};

/** Runs a program. @returns what it has written, with the exit code if it has failed */
async function outputOf(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout, stderr } = await run(program, args, { cwd, env: ENV, timeout: 240_000 }).catch(
    ({ stdout = '', stderr = '', message }) => ({ stdout, stderr: `${stderr}\n${message}` }),
  );
  return `${stdout}${stderr}`;
}

/** The examples of a README, for this service. */
const examplesOf = (readme: string, language: string): string[] =>
  [...readFileSync(readme, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, text = '']) => text.replaceAll('http://localhost:3000', service.url),
  );

t.setTimeout(300_000);

t.test('the wheel for Python is typed, and passes its tests and examples', async (t) => {
  const folder = t.testdir({});
  cpSync('clients/python', folder, { recursive: true });
  const tool = join(uv, 'uv');
  await run(tool, ['build', '--quiet', '--wheel', '--out-dir', 'dist'], { cwd: folder, env: ENV });
  const [wheel = ''] = readdirSync(join(folder, 'dist')).filter((name) => name.endsWith('.whl'));
  const python = ensureTestProgram('python3');
  await run(tool, ['venv', '--quiet', '--python', python, 'venv'], { cwd: folder, env: ENV });
  const packages = [join('dist', wheel), 'pytest==9.2.0', 'mypy==2.4.1'];
  await run(tool, ['pip', 'install', '--quiet', '--python', 'venv', ...packages], { cwd: folder, env: ENV });

  const programs = join(folder, 'venv/bin');
  t.match(await outputOf(join(programs, 'pytest'), ['--quiet'], folder), /\n\d+ passed in .*\n$/);
  // The tests see the package that is installed, and its mark that it is typed.
  for (const sources of ['src', 'tests'])
    t.match(await outputOf(join(programs, 'mypy'), ['--strict', sources], folder), /^Success: no issues/);

  const examples = examplesOf('clients/python/README.md', 'python');
  const results = [/^42\n1 Fay/, /^\d+ \['Fay'/, /^250\n$/];
  t.equal(examples.length, results.length);
  for (const [i, example] of examples.entries()) {
    writeFileSync(join(folder, 'example.py'), example);
    t.match(await outputOf(join(programs, 'python'), ['example.py'], folder), results[i]);
  }
});

t.test('the module for Go passes its vet, its tests and its example', async (t) => {
  const go = ensureTestProgram('go');
  const module = resolve('clients/go');
  t.equal(await outputOf(go, ['vet', './...'], module), '');
  t.match(await outputOf(go, ['test', '-count=1', './...'], module), /^ok\s/);
  const [example = ''] = examplesOf('clients/go/README.md', 'go');
  const name = 'github.com/example/scoreboard-api/clients/go';
  const folder = t.testdir({
    'main.go': example,
    'go.mod': `module example\n\ngo 1.19\n\nrequire ${name} v0.1.0\n\nreplace ${name} => ${module}\n`,
  });
  t.equal(await outputOf(go, ['run', '.'], folder), '250\nnot-found\n');
});
