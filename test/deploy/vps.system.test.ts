import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';
import { eventually } from '../api.js';
import { buildTestApp } from '../helper.js';
import { RawStream } from '../live/live-server.js';

const CADDYFILE = readFileSync('deploy/vps/Caddyfile', 'utf8');
/** The command of the recipe that puts a name into it. */
const [SED = ''] = /^sed .*$/m.exec(readFileSync('docs/deploying.md', 'utf8')) ?? [];
const UNIT = readFileSync('deploy/vps/scoreboard-api.service', 'utf8');

/** A real Caddy with deploy/vps/Caddyfile, but for the addresses and the certificate. It ends with the test. @returns its URL */
async function startCaddy(t: Test, instance: string): Promise<string> {
  const program = findTestProgram('caddy');
  if (program === undefined) throw new Error('Run "npm test", which installs Caddy.');
  const url = `http://127.0.0.1:${await freePort()}`;
  const served = CADDYFILE.replace('scores.example', url).replace('127.0.0.1:3000', new URL(instance).host);
  const folder = t.testdir({ Caddyfile: `{\n\tadmin off\n}\n${served}` });
  const env = { PATH: process.env['PATH'], HOME: folder };
  const named = SED.replace('/etc/caddy/Caddyfile', join(folder, 'Named'));
  await promisify(execFile)('sh', ['-ec', `name=board.test\n${named}`], { env });
  t.match(readFileSync(join(folder, 'Named'), 'utf8'), /^board\.test \{$/m);
  const config = (file: string) => ['--adapter', 'caddyfile', '--config', join(folder, file)];
  await promisify(execFile)(program, ['validate', ...config('Named')], { env });
  const caddy = spawn(program, ['run', ...config('Caddyfile')], { env, stdio: 'ignore' });
  t.teardown(async () => {
    const ended = once(caddy, 'exit');
    if (caddy.kill()) await ended;
  });
  await eventually(async () => {
    if (!(await fetch(`${url}/health/live`)).ok) throw new Error('Caddy is not ready');
  });
  return url;
}

t.test('Caddy passes scores and streams on, and hides the metrics', async (t) => {
  const { url: instance } = await buildTestApp(t, { TRUST_PROXY: ['127.0.0.1'], RATE_LIMIT_AUTH: 1 });
  const url = await startCaddy(t, instance);
  t.equal((await fetch(`${url}/v1/leaderboards`)).status, 200);
  for (const path of ['/metrics', '/METRICS', '/metrics/'])
    t.equal((await fetch(url + path)).status, 404, path);

  const asking = get(`${url}/v1/leaderboards/global/stream`);
  t.teardown(() => asking.destroy());
  const [response] = await once(asking, 'response');
  response.on('error', () => {});
  t.match(await new RawStream(response).until(/event: snapshot/), 'data: {', 'before the stream ends');

  const guest = (claimed: string) =>
    fetch(`${url}/v1/auth/guest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': claimed },
      body: '{}',
    });
  t.equal((await guest('192.0.2.1')).status, 201);
  t.equal((await guest('192.0.2.2')).status, 429, 'nobody can claim another address');
});

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
/** CI has it. */
const skip = !hasSystemd && process.env['CI'] === undefined && 'this machine has no systemd-analyze';

t.test('systemd accepts the unit, and gives it the time to shut down', { skip }, async (t) => {
  const folder = t.testdir({ 'scoreboard-api.service': UNIT.replace('/usr/bin/node', process.execPath) });
  const unit = join(folder, 'scoreboard-api.service');
  const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', unit]);
  t.notMatch(stderr, /scoreboard-api/, 'nothing is unknown');
  t.match(UNIT, /^TimeoutStopSec=35$/m);
});
