import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parse as parseToml } from 'smol-toml';
import t from 'tap';
import { parse as parseYaml } from 'yaml';
import { loadConfig } from '../../src/config.js';
import { fencesOf } from '../shown.js';
import { readCompose } from './compose.js';

// The recipes of docs/deploying.md, as far as they can be held against something without the machines that they are for.

const read = (file: string) => readFileSync(file, 'utf8');
const DOCUMENT = read('docs/deploying.md');
const DATABASE_URL = 'postgres://scoreboard:password@database:5432/scoreboard';
const SECRETS = {
  DATABASE_URL,
  JWT_SECRET: 'j1'.padEnd(64, 'abcdefg'),
  ACTION_TOKEN_SECRET: 'a2'.padEnd(64, 'hijklmn'),
};
/** How long the service may take to shut down. */
const SHUTDOWN_S = 30;

const strictly = { additionalProperties: false };
const Duration = Type.String({ pattern: '^\\d+s$' });
/** What https://fly.io/docs/reference/configuration/ has for what is used here. */
const Fly = Type.Object(
  {
    app: Type.String(),
    primary_region: Type.String(),
    kill_signal: Type.Literal('SIGTERM'),
    kill_timeout: Type.Integer({ minimum: SHUTDOWN_S, maximum: 300 }),
    build: Type.Object({ image: Type.String() }, strictly),
    env: Type.Record(Type.String(), Type.String()),
    http_service: Type.Object(
      {
        internal_port: Type.Integer(),
        force_https: Type.Literal(true),
        auto_stop_machines: Type.Literal('off'),
        auto_start_machines: Type.Boolean(),
        min_machines_running: Type.Literal(1),
        concurrency: Type.Object(
          { type: Type.Literal('connections'), soft_limit: Type.Integer(), hard_limit: Type.Integer() },
          strictly,
        ),
        checks: Type.Array(
          Type.Object(
            {
              method: Type.Literal('GET'),
              path: Type.Literal('/health/ready'),
              interval: Duration,
              timeout: Duration,
              grace_period: Duration,
            },
            strictly,
          ),
        ),
      },
      strictly,
    ),
    vm: Type.Array(Type.Object({ size: Type.String(), memory: Type.String() }, strictly)),
  },
  strictly,
);

t.test('at Fly.io the service accepts its environment, and has the time to shut down', async (t) => {
  const fly: unknown = parseToml(read('deploy/fly/fly.toml'));
  Value.Assert(Fly, fly);
  const config = loadConfig({ ...fly.env, ...SECRETS, TRUST_PROXY: '172.16.0.0/12,2a09:8280:1::1' });
  t.match(config, { production: true, PORT: fly.http_service.internal_port, REDIS_MODE: 'off' });
  t.ok(fly.http_service.concurrency.hard_limit <= config.SSE_MAX_CONNECTIONS, 'as many streams as it takes');
  t.ok(fly.http_service.concurrency.soft_limit < fly.http_service.concurrency.hard_limit);
});

const Variable = Type.Union([
  Type.Object({ key: Type.String(), value: Type.Union([Type.String(), Type.Number()]) }, strictly),
  Type.Object({ key: Type.String(), generateValue: Type.Literal(true) }, strictly),
  Type.Object({ key: Type.String(), sync: Type.Literal(false) }, strictly),
  Type.Object(
    {
      key: Type.Literal('DATABASE_URL'),
      fromDatabase: Type.Object(
        { name: Type.String(), property: Type.Literal('connectionString') },
        strictly,
      ),
    },
    strictly,
  ),
]);
/** What https://render.com/schema/render.yaml.json has for what is used here. */
const Render = Type.Object(
  {
    services: Type.Array(
      Type.Object(
        {
          type: Type.Literal('web'),
          name: Type.String(),
          runtime: Type.Literal('image'),
          image: Type.Object({ url: Type.String() }, strictly),
          plan: Type.Literal('starter'),
          region: Type.String(),
          healthCheckPath: Type.Literal('/health/live'),
          maxShutdownDelaySeconds: Type.Integer({ minimum: SHUTDOWN_S, maximum: 300 }),
          envVars: Type.Array(Variable),
        },
        strictly,
      ),
      { minItems: 1, maxItems: 1 },
    ),
    databases: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          plan: Type.Literal('basic-256mb'),
          region: Type.String(),
          postgresMajorVersion: Type.String({ pattern: '^1[3-8]$' }),
          ipAllowList: Type.Array(Type.Never()),
        },
        strictly,
      ),
    ),
  },
  strictly,
);

t.test('at Render the service accepts its environment, beside its database', async (t) => {
  const blueprint: unknown = parseYaml(read('deploy/render/render.yaml'));
  Value.Assert(Render, blueprint);
  const { services, databases } = blueprint;
  const [service] = services;
  const environment = service?.envVars.map((variable): [string, string] => {
    if ('value' in variable) return [variable.key, String(variable.value)];
    if ('generateValue' in variable)
      return [variable.key, Buffer.from(variable.key.padEnd(32)).toString('base64')];
    if ('sync' in variable) return [variable.key, 'https://play.example'];
    t.equal(variable.fromDatabase.name, databases[0]?.name);
    return [variable.key, DATABASE_URL];
  });
  const config = loadConfig(Object.fromEntries(environment ?? []));
  t.match(config, { production: true, REDIS_MODE: 'off', CORS_ORIGINS: ['https://play.example'] });
  t.equal(config.TRUST_PROXY.length, 23, 'Render, and all ranges of Cloudflare');
  t.equal(service?.region, databases[0]?.region);
});

t.test('the commands make files of settings that the service accepts', async (t) => {
  const commands = fencesOf(DOCUMENT).flatMap(({ language, text }) => (language === 'sh' ? text : []));
  const files = commands.flatMap((text) => /^password=.*?^END$/ms.exec(text)?.[0] ?? []);
  t.equal(files.length, 2, 'with containers and without');
  for (const command of files) {
    const file = /cat > (\S+)\)/.exec(command)?.[1] ?? '';
    const folder = t.testdir({});
    execFileSync('bash', ['-euc', command.replace(file, join(folder, 'settings'))]);
    const lines = read(join(folder, 'settings')).trim().split('\n');
    const config = loadConfig(Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2))));
    t.match(config, { production: true, REDIS_MODE: 'off', PORT: 3000 }, file);
  }
});

t.test('the files that are fetched without a clone are those that the stack mounts', async (t) => {
  const folder = t.testdir({});
  const [, tar = ''] = /\| *\n +(tar -xz .*)$/m.exec(DOCUMENT) ?? [];
  const tracked = execFileSync(
    'git',
    ['ls-files', 'compose*.yaml', '.env.example', 'deploy/nginx', 'docs/images'],
    {
      encoding: 'utf8',
    },
  );
  const name = ['--transform', 's,^,scoreboard-api-main/,'];
  const archive = execFileSync('tar', ['-cz', ...name, '--files-from', '-'], { input: tracked });
  execFileSync('sh', ['-c', tar], { cwd: folder, input: archive });
  const { services } = readCompose(join(folder, 'compose.simple.yaml'), {
    ...{ JWT_SECRET: 'x', ACTION_TOKEN_SECRET: 'x', POSTGRES_PASSWORD: 'x', IMAGE },
  });
  t.equal(services['api']?.image, IMAGE);
  for (const source of Object.values(services).flatMap(({ volumes = [] }) => volumes)) {
    const [file = ''] = source.split(':');
    if (file.startsWith('.')) t.ok(existsSync(resolve(folder, file)), file);
  }
  t.ok(existsSync(join(folder, '.env.example')));
  t.notOk(existsSync(join(folder, 'docs')), 'and nothing else');
});

const { version } = Value.Parse(Type.Object({ version: Type.String() }), JSON.parse(read('package.json')));
const IMAGE = `ghcr.io/example/scoreboard-api:${version}`;

t.test('all recipes take the image of this version', async (t) => {
  for (const file of ['docs/deploying.md', 'deploy/fly/fly.toml', 'deploy/render/render.yaml']) {
    const images = read(file).match(/ghcr\.io\/example\/scoreboard-api:[\w.]+\w/g) ?? [];
    t.not(images.length, 0, file);
    for (const image of images) t.equal(image, IMAGE, file);
  }
});
