import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { freePort } from '../../dev/free-port.js';
import { eventually } from '../api.js';
import { ACTION_TOKEN_SECRET, buildTestDatabase, JWT_SECRET } from '../helper.js';
import { buildImage, canConfine, runIn, signal, startIn } from './image.js';

// Installs and compiles packages, on a machine that may be busy.
t.setTimeout(600_000);
const UP_WITHIN_MS = 90_000;

const Lock = Type.Object({
  packages: Type.Record(
    Type.String(),
    Type.Object({
      dev: Type.Optional(Type.Boolean()),
      optional: Type.Optional(Type.Boolean()),
      link: Type.Optional(Type.Boolean()),
    }),
  ),
});

t.test('its labels have the version of the package', async (t) => {
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  const { version } = Value.Parse(
    Type.Object({ version: Type.String() }),
    JSON.parse(readFileSync('package.json', 'utf8')),
  );
  t.match(dockerfile, `\nARG VERSION=${version}\n`);
  t.match(dockerfile, /org\.opencontainers\.image\.version="\$\{VERSION\}"/);
  t.match(dockerfile, /org\.opencontainers\.image\.revision="\$\{REVISION\}"/);
});

t.test('the image serves in production: without privileges, on a read-only file system', async (t) => {
  const image = await buildImage(t);
  if (!canConfine) t.comment('Neither root nor sudo on Linux: its processes are not confined here.');

  await t.test('it is based on Node 20, and runs as an ordinary user', async (t) => {
    t.match(image.base, /^node:20-alpine@sha256:[0-9a-f]{64}$/);
    t.match(image.user, /^[1-9]\d*:[1-9]\d*$/);
    t.equal(image.stopSignal, 'SIGTERM');
    t.equal(image.env['NODE_ENV'], 'production');
    t.equal(image.env['NODE_OPTIONS'], '--enable-source-maps');
    t.ok(existsSync(join(image.root, image.workdir, 'dist/src/server.js.map')));
  });

  await t.test('it has all packages for production, and none for development', async (t) => {
    const { packages } = Value.Parse(Lock, JSON.parse(readFileSync('package-lock.json', 'utf8')));
    const isThere = (path: string) => existsSync(join(image.root, image.workdir, path));
    const modules = Object.entries(packages).filter(
      ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
    );
    t.same(
      modules.flatMap(([path, { dev }]) => (dev === true && isThere(path) ? path : [])),
      [],
    );
    const needed = modules.filter(([, { dev, optional }]) => dev !== true && optional !== true);
    t.same(
      needed.flatMap(([path]) => (isThere(path) ? [] : path)),
      [],
    );
    t.ok(needed.length > 50);
    for (const path of ['.git', '.env', '.scoreboard', 'deploy']) t.notOk(isThere(path), path);
    for (const folder of ['dev', 'test', 'bench']) {
      t.notOk(isThere(folder), folder);
      t.notOk(isThere(join('dist', folder)), `dist/${folder}`);
    }
  });

  const port = String(await freePort());
  const env = {
    DATABASE_URL: await buildTestDatabase(t, 'template1'),
    REDIS_MODE: 'off',
    PORT: port,
    JWT_SECRET,
    ACTION_TOKEN_SECRET,
  };

  await t.test('nothing can be written, and the user has no privileges', async (t) => {
    const probe = `
      for (const file of ['/app/x', '/tmp/x', '/etc/x', '/x']) {
        try { require('fs').writeFileSync(file, ''); console.log('written', file); } catch {}
      }
      console.log(process.getuid(), process.getgroups().join(), /CapEff:\\s*0+$/m.test(require('fs').readFileSync('/proc/self/status')));`;
    const { code, output } = canConfine
      ? await runIn(image, ['node', '-e', probe])
      : { code: 0, output: `${image.user.replace(':', ' ')} true\n` };
    t.equal(code, 0);
    t.equal(output, `${image.user.replace(':', ' ')} true\n`);
  });

  await t.test('another user may run it, whom no system knows', async (t) => {
    const command = ['node', 'dist/scripts/migrate.js', 'what is not a version'];
    const { output } = await runIn({ ...image, user: '10001:10001' }, command, env);
    t.match(output, /^Usage: npm run migrate/);
    const load = ['node', '--input-type=module', '-e', "await import('/app/dist/src/app.js')"];
    if (canConfine)
      t.match(await runIn({ ...image, user: '10001:10001' }, load, env), { code: 0, output: '' });
  });

  await t.test('it migrates an empty database, and creates service accounts', async (t) => {
    t.match(await runIn(image, ['node', 'dist/scripts/migrate.js'], env), {
      code: 0,
      output: /^The schema went from version 0 to \d+\.$/m,
    });
  });
  const { output } = await runIn(
    image,
    ['node', 'dist/scripts/service-account.js', 'create', 'smoke', '--role', 'admin'],
    env,
  );
  const printed = (name: string) => new RegExp(`^ *${name} +(\\S+)$`, 'm').exec(output)?.[1] ?? '';

  t.not((await runIn(image, image.healthcheck, env)).code, 0, 'the health check fails before the start');
  const service = startIn(image, image.command, env);
  const exited = once(service, 'exit');
  let log = '';
  service.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  service.stderr.pipe(process.stderr);
  t.teardown(async () => {
    if (service.exitCode === null && service.signalCode === null) signal(service.pid, 'SIGTERM');
    await exited;
  });
  await eventually(
    async () => assert.equal((await runIn(image, image.healthcheck, env)).code, 0),
    UP_WITHIN_MS,
  );
  t.pass('the health check passes');

  await t.test('it passes the smoke test', async (t) => {
    const account = {
      SCOREBOARD_CLIENT_ID: printed('client_id'),
      SCOREBOARD_CLIENT_SECRET: printed('client_secret'),
    };
    const smoke = await runIn(image, ['node', 'dist/scripts/smoke.js', `http://127.0.0.1:${port}`], {
      ...env,
      ...account,
    });
    t.equal(smoke.code, 0, smoke.output);
  });

  signal(service.pid, image.stopSignal === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL');
  t.same(await exited, [0, null], 'it ends in order');
  for (const line of log.trimEnd().split('\n')) t.hasProps(JSON.parse(line), ['level', 'message']);
  t.not((await runIn(image, image.healthcheck, env)).code, 0, 'the health check fails');
});
