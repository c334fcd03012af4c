import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import t, { type Test } from 'tap';
import { freshCheckout } from '../checkout.js';
import { NpmScript } from '../npm-script.js';

t.setTimeout(300_000);

const HEALTH = /Health +(http\S+)\/health/;
const postmasterIn = (folder: string) => join(folder, '.scoreboard/postgres/data/postmaster.pid');

async function starts(t: Test, folder: string, script: string) {
  const service = new NpmScript(t, folder, ...(script === 'start' ? ['start'] : ['run', script]));
  const [, url = ''] = await service.prints(HEALTH);
  await service.prints(/Ctrl-C/);
  return { service, url };
}

const npm = (folder: string, ...args: string[]) =>
  promisify(execFile)('npm', args, { cwd: folder, env: { PATH: process.env['PATH'] } });

t.test('npm start builds a fresh checkout, serves it, and ends with npm', async (t) => {
  const folder = freshCheckout(t);
  const { service, url } = await starts(t, folder, 'start');
  t.equal((await fetch(`${url}/health`)).status, 200);
  for (const path of ['/', '/game.js', '/widget.js']) t.equal((await fetch(url + path)).status, 200, path);

  const { stdout, stderr } = await npm(folder, 'run', '--silent', 'service-account', '--', 'list');
  t.equal(stdout, 'There is no service account yet.\n', 'a tool prints its result and nothing else');
  t.equal(stderr, '');
  const created = await npm(
    folder,
    ...['run', '--silent', 'service-account', '--', 'create', 'my-game', '--role', 'server'],
  );
  const [command = ''] = /^ *curl .*$/m.exec(created.stdout) ?? [];
  const token = await promisify(execFile)('sh', ['-c', command], { env: { ...process.env, URL: url } });
  t.match(JSON.parse(token.stdout), { token_type: 'Bearer' }, 'the printed command logs in, on any port');

  await service.end('SIGTERM');
  t.notMatch(service.output, /Second signal/);
  t.notOk(existsSync(postmasterIn(folder)), 'its database has stopped too');

  const again = await starts(t, folder, 'start');
  await again.service.end('SIGINT', true);
  t.notMatch(again.service.output, /Second signal/, 'Ctrl-C closes it in order');
  t.notOk(existsSync(postmasterIn(folder)));
});

t.test('npm run dev starts again when a source changes, and keeps its database running', async (t) => {
  const folder = freshCheckout(t);
  const { service } = await starts(t, folder, 'dev');
  const database = readFileSync(postmasterIn(folder), 'utf8');
  const source = join(folder, 'src/app.ts');
  const text = readFileSync(source, 'utf8');

  writeFileSync(source, `${text}\nconst oops = ;\n`);
  await service.prints(/src\/app\.ts has changed/);
  await service.prints(/ERROR.*Unexpected ";"[\s\S]*const oops = ;/);
  writeFileSync(source, text);
  await service.prints(/src\/app\.ts has changed/);
  const [, url = ''] = await service.prints(HEALTH);
  await service.prints(/Ctrl-C/);
  t.equal((await fetch(`${url}/health`)).status, 200);
  t.equal(readFileSync(postmasterIn(folder), 'utf8'), database);

  await service.end('SIGINT', true);
  t.notMatch(service.output, /Second signal/);
  t.notOk(existsSync(postmasterIn(folder)), 'its database ends with it');
});

t.test('npm run test:watch runs a test again when a source changes', async (t) => {
  const folder = freshCheckout(t);
  const tests = new NpmScript(t, folder, 'run', 'test:watch', '--', 'test/ids.test.ts');
  await tests.prints(/ 0 failed/);
  const source = join(folder, 'src/ids.ts');
  const text = readFileSync(source, 'utf8');

  writeFileSync(source, text.replace('0123456789abcdef', '1023456789abcdef'));
  await tests.prints(/src\/ids\.ts has changed/);
  await tests.prints(/FAILED test\/ids\.test\.ts/);
  writeFileSync(source, text);
  await tests.prints(/src\/ids\.ts has changed/);
  await tests.prints(/ 0 failed/);
  await tests.end('SIGINT', true);
});

t.test('without the packages that build, npm names the command to run instead', async (t) => {
  const folder = freshCheckout(t);
  await npm(folder, 'run', 'build');
  rmSync(join(folder, 'node_modules'));
  const prints = async (script: string, command: string) => {
    const line = `The packages that build this are not installed. Run: ${command}\n`;
    const given = ['--', '--role', 'server'];
    await t.rejects(npm(folder, 'run', '--silent', script, ...given), { code: 1, stdout: '', stderr: line });
  };
  await prints('service-account', 'node dist/scripts/service-account.js --role server');
  await prints('start', 'node dist/src/server.js --role server');
  await prints('replay', 'npm ci --include=dev');
  rmSync(join(folder, 'dist'), { recursive: true });
  await prints('service-account', 'npm ci --include=dev');
});

t.test('a build compiles what has changed, and deletes what has no source', async (t) => {
  const folder = freshCheckout(t);
  const compiled = (name: string) => join(folder, 'dist', name);
  const builtAt = (name: string) => statSync(compiled(name)).mtimeMs;
  await npm(folder, 'run', 'build');
  const before = [builtAt('src/ids.js'), builtAt('src/app.js')];
  const { stdout } = await npm(folder, 'run', '--silent', 'build');
  t.equal(stdout, '');
  t.same([builtAt('src/ids.js'), builtAt('src/app.js')], before, 'nothing');

  appendFileSync(join(folder, 'src/ids.ts'), 'export const added = 1;\n');
  utimesSync(join(folder, 'src/ids.ts'), 1, 1);
  rmSync(join(folder, 'src/loop.ts'));
  await npm(folder, 'run', 'build');
  t.match(readFileSync(compiled('src/ids.js'), 'utf8'), 'added = 1', 'also where the new file is older');
  t.equal(builtAt('src/app.js'), before[1]);
  for (const name of ['src/loop.js', 'src/loop.js.map']) t.notOk(existsSync(compiled(name)), name);

  rmSync(compiled('src/app.js'));
  rmSync(join(folder, 'client/dist'), { recursive: true });
  await npm(folder, 'run', 'build');
  for (const name of ['src/app.js', '../client/dist/widget.js.br']) t.ok(existsSync(compiled(name)), name);
});

t.test('an old Node.js gets one line that names the version it needs', async (t) => {
  const started = (version: string) =>
    promisify(execFile)(process.execPath, [
      ...['--import', `data:text/javascript,Object.defineProperty(process,'version',{value:'${version}'})`],
      'dev/run.cjs',
    ]);
  for (const version of ['v0.10.48', 'v6.17.1', 'v18.20.8', 'v20.18.3'])
    await t.rejects(started(version), {
      code: 1,
      stdout: '',
      stderr: `scoreboard-api needs Node.js 20.19 or newer; this is ${version}.\n`,
    });
  for (const version of ['v20.19.0', 'v22.0.0', 'v100.0.0']) await t.resolves(started(version), version);

  const text = readFileSync('dev/run.cjs', 'utf8');
  const [old, current] = await Promise.all(
    ['es5', 'esnext'].map(async (target) => (await transform(text, { target })).code),
  );
  t.equal(old, current, 'Node.js of any age can read the file that says so');
});
