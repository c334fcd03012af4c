import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import t, { type Test } from 'tap';
import { Environment, loadConfig } from '../../src/config.js';
import { connect } from '../../src/postgres/connection.js';
import { buildTestDatabase } from '../helper.js';

t.setTimeout(240_000);

/** The environment that deploy/aws passes to the service. A test of deploy/aws compares the file with the synthesised template. */
const { environment, secrets } = Value.Parse(
  Type.Object({
    environment: Type.Object(
      { DATABASE_URL: Type.String(), DATABASE_REPLICA_URL: Type.String() },
      { additionalProperties: Type.String() },
    ),
    secrets: Type.Array(Type.String()),
  }),
  JSON.parse(readFileSync('deploy/aws/test/container-environment.json', 'utf8')),
);

const SECRETS: Record<string, string> = {
  REDIS_URL: 'rediss://:password@127.0.0.1:1',
  JWT_SECRET: 'the access tokens of the tests are signed with this',
  JWT_SECRET_PREVIOUS: '',
  ACTION_TOKEN_SECRET: 'the action tokens of the tests are signed with this',
  ACTION_TOKEN_SECRET_PREVIOUS: '',
};

t.test('the service accepts its environment on AWS', async (t) => {
  // pg reads the other variables.
  const known = [...Object.keys(Environment.properties), 'PGUSER', 'PGPASSWORD'];
  const names = [...Object.keys(environment), ...secrets];
  t.same(
    names.filter((name) => !known.includes(name)),
    [],
  );
  t.same(secrets.filter((name) => !name.startsWith('PG')).sort(), Object.keys(SECRETS).sort());
  const config = loadConfig({ ...environment, ...SECRETS });
  t.match(config, {
    production: true,
    REDIS_MODE: 'cluster',
    WORKERS: 2,
    PORT: 3000,
    TRUST_PROXY: ['10.0.0.0/24', '10.0.1.0/24'],
    JWT_SECRET_PREVIOUS: undefined,
  });
});

const task = (name: string) => [
  '--input-type=module',
  '--eval',
  readFileSync(`deploy/aws/tasks/${name}`, 'utf8'),
];
const compiled = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PATH = process.env['PATH'];

/** Runs Node until it exits. An error contains its output. */
const node = (args: string[], env: Record<string, string>) =>
  promisify(execFile)(process.execPath, args, { env: { PATH, ...env } });

/** A database like one of RDS, with two alternating logins. */
async function aDatabase(t: Test) {
  const administrator = new URL(await buildTestDatabase(t, 'template0'));
  const suffix = randomUUID().replaceAll('-', '');
  const owner = `scoreboard_${suffix}`;
  const clone = `scoreboard_clone_${suffix}`;
  const client = new pg.Client(administrator.href);
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.end());
  /** As in the container, except for the host and without TLS, which this server lacks. */
  const urlOf = (name: 'DATABASE_URL' | 'DATABASE_REPLICA_URL') => {
    const url = new URL(environment[name]);
    url.host = administrator.host;
    url.pathname = administrator.pathname;
    url.search = url.search.replace(/.*(?=options=)/, '?').replace('role%3Dscoreboard', `role%3D${owner}`);
    return url.href;
  };
  return { administrator, owner, clone, client, urlOf };
}

t.test('each login can use the tables that the other has created', async (t) => {
  const { administrator, owner, clone, client, urlOf } = await aDatabase(t);
  const prepare = () =>
    node(task('prepare-database.mjs'), {
      DATABASE_URL: `postgresql://${administrator.host}${administrator.pathname}`,
      PGUSER: decodeURIComponent(administrator.username),
      PGPASSWORD: decodeURIComponent(administrator.password),
      OWNER: owner,
      OWNER_PASSWORD: "first:/?#'\\",
    });
  const migrate = (login: string, password: string, ...target: string[]) =>
    node([compiled('scripts/migrate.js'), ...target], {
      NODE_ENV: 'production',
      DATABASE_URL: urlOf('DATABASE_URL'),
      PGUSER: login,
      PGPASSWORD: password,
    });

  await prepare();
  await migrate(owner, "first:/?#'\\", '5');
  // The first rotation.
  await client.query(`CREATE ROLE ${clone} LOGIN PASSWORD 'second'; GRANT ${owner} TO ${clone}`);
  await prepare();
  await migrate(clone, 'second');
  // The next rotation.
  await client.query(`ALTER ROLE ${owner} PASSWORD 'third'`);
  await migrate(owner, 'third', '0');
  await migrate(clone, 'second');
  const { rows } = await client.query(
    "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
  );
  t.same(rows, [{ tableowner: owner }]);

  await t.test('what the URL sets, and what the service sets, both hold', async (t) => {
    for (const name of ['DATABASE_URL', 'DATABASE_REPLICA_URL'] as const) {
      const url = new URL(urlOf(name));
      t.match(url.searchParams.get('options'), 'role=', 'as in the template');
      Object.assign(url, { username: clone, password: 'second' });
      const session = await connect(url.href, { application_name: 'test', connectionTimeoutMillis: 5_000 });
      const { rows } = await session.query(
        `SELECT current_user AS owner, session_user AS login, current_setting('enable_seqscan') AS scans,
                current_setting('statement_timeout') AS patience`,
      );
      await session.end();
      t.same(rows, [{ owner, login: clone, scans: 'off', patience: '5s' }], name);
    }
  });

  await t.test('and the service starts with either', async (t) => {
    for (const [PGUSER, PGPASSWORD] of [
      [owner, 'third'],
      [clone, 'second'],
    ] as const) {
      const service = spawn(process.execPath, [compiled('src/server.js')], {
        env: {
          ...{ PATH, ...environment, ...SECRETS, PGUSER, PGPASSWORD, HOST: '127.0.0.1', PORT: '0' },
          DATABASE_URL: urlOf('DATABASE_URL'),
          DATABASE_REPLICA_URL: urlOf('DATABASE_REPLICA_URL'),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.teardown(() => service.kill('SIGKILL'));
      const response = await fetch(`${await addressOf(service)}/health`);
      // There is no Redis here.
      t.same(await response.json(), { status: 'degraded', checks: { database: 'ok', redis: 'error' } });
      service.kill('SIGTERM');
    }
  });
});

async function addressOf(service: ChildProcess): Promise<string> {
  if (service.stdout !== null) {
    for await (const line of createInterface(service.stdout)) {
      const [, url] = /Server listening at (http:[^"]+)/.exec(line) ?? [];
      if (url !== undefined) return url;
    }
  }
  throw new Error('It ended before it listened');
}

t.test('only valid certificates are stored', async (t) => {
  const answers: Record<string, string> = {
    '/certificates': '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n',
    '/page': '<html>',
  };
  const server = createServer(({ url = '' }, response) => {
    const answer = answers[url];
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const CERTIFICATES_FILE = `${t.testdir()}/rds.pem`;
  const fetched = (path: string) =>
    node(task('fetch-certificates.mjs'), {
      CERTIFICATES_FILE,
      CERTIFICATES_URL: `http://127.0.0.1:${port}${path}`,
    });
  await t.rejects(fetched('/page'), /answers 200, and no certificates/);
  await t.rejects(fetched('/missing'), /answers 404, and no certificates/);
  t.notOk(existsSync(CERTIFICATES_FILE));
  await fetched('/certificates');
  t.equal(readFileSync(CERTIFICATES_FILE, 'utf8'), answers['/certificates']);
});
