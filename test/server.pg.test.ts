import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import t, { type Test } from 'tap';
import { query } from '../dev/databases.js';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import { freePort } from '../dev/free-port.js';
import { NODE_ARGUMENTS } from '../dev/testing/node-arguments.js';
import { ActionToken } from '../schemas/action.js';
import { EntryDetails } from '../schemas/leaderboard.js';
import { Receipt } from '../schemas/score.js';
import { Session } from '../schemas/session.js';
import { User } from '../schemas/user.js';
import { migrate } from '../src/postgres/migrate.js';
import { Api, documentOf, newPlayer } from './api.js';
import { buildTestApp, buildTestDatabase } from './helper.js';
import { openRaw } from './live/live-server.js';

t.setTimeout(300_000);

const SERVER = fileURLToPath(new URL('../src/server.js', import.meta.url));

/** What `npm start` runs, in a folder of its own. */
class Server {
  output = '';
  errors = '';
  readonly process: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(t: Test, directory: string, environment: Record<string, string>, ...nodeOptions: string[]) {
    this.process = spawn(process.execPath, [...NODE_ARGUMENTS, ...nodeOptions, SERVER], {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'warn', ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.#ended = once(this.process, 'close');
    t.teardown(() => this.process.kill('SIGKILL'));
  }

  /** Its address, once it has said it. */
  async ready(): Promise<string> {
    for (;;) {
      const [, url] = /Health +(http\S+)\/health/.exec(this.output) ?? [];
      if (url !== undefined) return url;
      const ended = this.#ended.then(() => {
        throw new Error(`It ended: ${this.output}${this.errors}`);
      });
      if (this.process.stdout !== null) await Promise.race([once(this.process.stdout, 'data'), ended]);
    }
  }

  /** Resolves when it has written this. */
  async says(what: RegExp): Promise<void> {
    while (!what.test(this.output)) if (this.process.stdout !== null) await once(this.process.stdout, 'data');
  }

  async ended(): Promise<number | null> {
    await this.#ended;
    return this.process.exitCode;
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.ended();
  }
}

const postmasterIn = (directory: string) =>
  join(directory, '.scoreboard', 'postgres', 'data', 'postmaster.pid');

function newFolder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'scoreboard-server-'));
  t.teardown(() => {
    const postmaster = postmasterIn(directory);
    if (existsSync(postmaster))
      process.kill(Number(readFileSync(postmaster, 'utf8').split('\n')[0]), 'SIGKILL');
    rmSync(directory, { recursive: true, maxRetries: 10 });
  });
  return directory;
}

t.test('npm start serves with a database of its own, and a restart loses nothing', async (t) => {
  const directory = newFolder(t);
  const document = documentOf(await buildTestApp(t));
  const first = new Server(t, directory, {});
  const api = new Api(await first.ready(), document);
  const [docs, stream] = ['API docs', 'Live stream'].map(
    (what) => new RegExp(`${what} +(\\S+)`).exec(first.output)?.[1],
  );
  t.equal((await fetch(docs ?? '')).status, 200);
  const live = await openRaw(t, stream ?? '');
  t.equal(live.status, 200);
  const player = await newPlayer(api, 'Ada');
  const { actionToken } = (await player.api.post('/v1/action-tokens', { action: 'collect-coin' })).is(
    201,
    ActionToken,
  );
  t.match((await player.api.post('/v1/scores', { actionToken })).is(200, Receipt).leaderboards, [
    { score: 10 },
  ]);
  await live.until(/"score":10/);
  const lastWords = live.untilEnd();
  t.equal(await first.end('SIGTERM'), 0);
  t.match(await lastWords, /retry: \d+\n\n$/);
  t.equal(first.errors, '');
  t.notOk(
    existsSync(join(directory, '.scoreboard/postgres/data/postmaster.pid')),
    'its database has stopped too',
  );

  const second = new Server(t, directory, {});
  const again = player.api.at(await second.ready());
  t.match((await again.get('/v1/users/me')).is(200, User), { id: player.id, displayName: 'Ada' });
  t.match((await again.get(`/v1/leaderboards/global/entries/${player.id}`)).is(200, EntryDetails), {
    rank: 1,
    score: 10,
  });
  (await again.post('/v1/scores', { actionToken })).fails('action-token-replayed');
  const { refreshToken } = player.session;
  (await again.post('/v1/auth/refresh', { refreshToken })).is(200, Session);
  t.equal(await second.end('SIGINT'), 0);
  t.notOk(existsSync(join(directory, '.scoreboard/postgres/data/postmaster.pid')));
});

t.test('a fault at the start is one line that says what to do', async (t) => {
  const database = await buildTestDatabase(t);
  const url = (change: (url: URL) => void): string => {
    const changed = new URL(database);
    change(changed);
    return changed.href;
  };
  const occupied = createServer().listen(0, '127.0.0.1');
  t.teardown(() => occupied.close());
  await once(occupied, 'listening');
  const address = occupied.address();
  const port = typeof address === 'object' && address !== null ? String(address.port) : '';
  const brokenData = newFolder(t);
  mkdirSync(join(brokenData, '.scoreboard/postgres/data'), { recursive: true });
  writeFileSync(join(brokenData, '.scoreboard/postgres/data/PG_VERSION'), '18\n');
  const brokenSecrets = newFolder(t);
  mkdirSync(join(brokenSecrets, '.scoreboard'));
  writeFileSync(join(brokenSecrets, '.scoreboard/secrets.json'), 'oops');

  const faults: [string, RegExp, Record<string, string>, directory?: string][] = [
    [
      'a port in use',
      /^Port \d+ is in use\. .* set PORT to another one\.\n$/,
      { DATABASE_URL: database, PORT: port },
    ],
    [
      'a host that is not ours',
      /^Cannot listen on 192\.0\.2\.1:0 .* Set HOST/,
      { DATABASE_URL: database, HOST: '192.0.2.1' },
    ],
    ['a broken data folder', /^The database in .* does not start \(.*\)\. .*: mv /, {}, brokenData],
    ['a broken file of secrets', /^Cannot read the secrets in .* Delete that file/, {}, brokenSecrets],
    [
      'no such host',
      /^Cannot reach PostgreSQL at DATABASE_URL \((ENOTFOUND|EAI_AGAIN)\)/,
      { DATABASE_URL: url((it) => (it.hostname = 'db.invalid')) },
    ],
    [
      'a wrong password',
      /^PostgreSQL refuses DATABASE_URL: password .* Correct its user, password or database name\.\n$/,
      { DATABASE_URL: url((it) => (it.password = 'wrong')) },
    ],
    [
      'a wrong database',
      /^PostgreSQL refuses DATABASE_URL: database "nope" does not exist\. Correct/,
      { DATABASE_URL: url((it) => (it.pathname = '/nope')) },
    ],
    [
      'a NODE_ENV that is none of the three',
      /^NODE_ENV is "prod", but must be production, development or test\.\n$/,
      { NODE_ENV: 'prod' },
    ],
    [
      'a DATABASE_URL that is none',
      /^The environment is not usable:\n {2}- DATABASE_URL must match/,
      { DATABASE_URL: 'db' },
    ],
  ];
  const servers = faults.map(
    ([, , environment, directory = newFolder(t)]) => new Server(t, directory, environment),
  );
  for (const [i, server] of servers.entries()) {
    const [what = '', line = /^$/] = faults[i] ?? [];
    t.equal(await server.ended(), 1, what);
    t.match(server.errors, line, what);
    t.match(server.errors, /^.*\n( {2}- .*\n)*$/, `${what}: one line, or a list`);
    t.equal(server.output, '', `${what}: nothing else`);
  }
});

/** What PostgreSQL answers while it starts: an ErrorResponse. */
function startingUp(): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up', ''];
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''));
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

t.test('a start waits for a PostgreSQL that is starting too, and says so once', async (t) => {
  const database = new URL(await buildTestDatabase(t));
  const port = await freePort();
  const address = new URL(database);
  address.port = String(port);
  const environment = { DATABASE_URL: address.href };
  const early = new Server(t, newFolder(t), environment);
  const interrupted = new Server(t, newFolder(t), environment);
  for (const server of [early, interrupted]) await server.says(/Waiting for PostgreSQL to start/);
  t.equal(await interrupted.end('SIGTERM'), 0, 'the wait can be interrupted');

  let refused = 0;
  const postgres = createTcpServer((socket) => {
    socket.on('error', () => {});
    if (refused++ < 2) {
      socket.once('data', () => socket.end(startingUp()));
      return;
    }
    const behind = connectTcp(Number(database.port), database.hostname);
    behind.on('error', () => socket.destroy());
    behind.on('close', () => socket.destroy());
    socket.on('close', () => behind.destroy());
    socket.pipe(behind).pipe(socket);
  }).listen(port, '127.0.0.1');
  t.teardown(() => postgres.close());
  await early.ready();
  t.ok(refused > 2);
  t.equal(early.output.match(/Waiting for PostgreSQL/g)?.length, 1);
  t.equal(early.errors, '');
  t.equal(await early.end('SIGTERM'), 0);
});

t.test('a start during which the process has no turn for three seconds writes no error', async (t) => {
  const database = await buildTestDatabase(t);
  const server = new Server(t, newFolder(t), { DATABASE_URL: database });
  // It hears changes by then, and is about to listen.
  const jobs = `SELECT FROM pg_stat_activity
    WHERE application_name = 'scoreboard-api jobs' AND datname = current_database()`;
  while ((await query(database, jobs)).length === 0) await delay(5);
  server.process.kill('SIGSTOP');
  await delay(3_000);
  server.process.kill('SIGCONT');
  const url = await server.ready();
  t.equal((await fetch(`${url}/health`)).status, 200);
  t.equal(await server.end('SIGTERM'), 0);
  t.equal(server.errors, '');
  t.notMatch(server.output, /"level":/);
});

t.test('only a database of its own gets demo actions, which players could use at will', async (t) => {
  const url = await buildTestDatabase(t, 'template0');
  await migrate(url);
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const address = taken.address();
  const port = address !== null && typeof address === 'object' ? String(address.port) : '';
  const actions = () => query(url, 'SELECT id FROM actions');
  const failed = new Server(t, newFolder(t), { DATABASE_URL: url, PORT: port });
  t.equal(await failed.ended(), 1);
  t.same(await actions(), [], 'a start that fails');
  const started = new Server(t, newFolder(t), { DATABASE_URL: url });
  await started.ready();
  await started.end('SIGTERM');
  t.same(await actions(), [], 'a start that works');
  const { host, pathname } = new URL(url);
  const lines = started.output.split('\n').filter((line) => line.includes('Database'));
  t.same(lines, [
    `    Database     that of DATABASE_URL, at ${host}${pathname}: for development, but without demo actions`,
  ]);
});

t.test('while the database is being migrated it listens, and is not ready', async (t) => {
  const database = await buildTestDatabase(t, 'template0');
  const other = new pg.Client({ connectionString: database });
  await other.connect();
  t.teardown(() => other.end());
  // Another instance migrates.
  await other.query('SELECT pg_advisory_lock(7228501)');
  const environment = { DATABASE_URL: database, LOG_LEVEL: 'info' };
  const waiting = new Server(t, newFolder(t), environment);
  const interrupted = new Server(t, newFolder(t), environment);
  for (const server of [waiting, interrupted])
    await server.says(/Waiting for another instance to migrate the database/);
  t.equal(await interrupted.end('SIGTERM'), 0, 'the wait can be interrupted');

  const [, url = ''] = /Server listening at (http:[^"]+)/.exec(waiting.output) ?? [];
  t.match(await (await fetch(`${url}/health/live`)).json(), { status: 'ok' });
  const health = await fetch(`${url}/health`);
  t.equal(health.status, 503);
  t.match(await health.json(), { status: 'degraded', checks: { database: 'error', redis: 'disabled' } });
  t.equal((await fetch(`${url}/health/ready`)).status, 503);
  for (const path of ['/v1/leaderboards', '/metrics', '/nowhere', '/v1/auth/guest']) {
    const answer = await fetch(url + path, { method: path.endsWith('guest') ? 'POST' : 'GET' });
    t.equal(answer.status, 503, path);
    t.ok(Number(answer.headers.get('retry-after')) > 0, path);
    t.match(await answer.json(), { code: 'service-unavailable', requestId: String }, path);
  }
  await other.query('SELECT pg_advisory_unlock(7228501)');
  t.equal(new URL(await waiting.ready()).port, new URL(url).port);
  for (const path of ['/health', '/health/ready']) t.equal((await fetch(url + path)).status, 200, path);
  t.match(waiting.output, /"message":"Migration ends"/);
  t.equal(await waiting.end('SIGTERM'), 0);
  t.equal(waiting.errors, '');
});

t.test('in production all that is missing or bad is told at once', async (t) => {
  const server = new Server(t, newFolder(t), {
    NODE_ENV: 'production',
    JWT_SECRET: 'too short',
    ACTION_TOKEN_SECRET: 'too short',
  });
  t.equal(await server.ended(), 1);
  const [head, ...faults] = server.errors.trimEnd().split('\n');
  t.equal(head, 'The environment is not usable:');
  t.ok(faults.every((fault) => fault.startsWith('  - ')));
  for (const name of [
    'DATABASE_URL',
    'REDIS_URL',
    'JWT_SECRET',
    'ACTION_TOKEN_SECRET',
    'JWT_SECRET and ACTION_TOKEN_SECRET must differ',
  ]) {
    t.ok(
      faults.some((fault) => fault.startsWith(`  - ${name}`)),
      name,
    );
  }
});

t.test('whatever ends the start, no database is left running', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const address = taken.address();
  const port = address !== null && typeof address === 'object' ? String(address.port) : '';
  const refused = newFolder(t);
  const inUse = new Server(t, refused, { PORT: port });
  t.equal(await inUse.ended(), 1);
  t.match(inUse.errors, /^Port \d+ is in use\./);
  t.notOk(existsSync(postmasterIn(refused)), 'a port in use');

  const interrupted = newFolder(t);
  const server = new Server(t, interrupted, {});
  while (!existsSync(postmasterIn(interrupted))) await delay(5);
  await server.end('SIGINT');
  t.notOk(existsSync(postmasterIn(interrupted)), 'Ctrl-C during the start');
});

t.test('a start that is interrupted while it migrates leaves no database running either', async (t) => {
  const directory = newFolder(t);
  const database = await startEmbeddedPostgres({ directory: join(directory, '.scoreboard', 'postgres') });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  // Longer than the database waits for others to leave.
  await client.query(`
    create function slow() returns event_trigger language plpgsql as 'begin perform pg_sleep(4); end';
    create event trigger slow on login execute function slow()`);
  await client.end();
  await database.stop();
  t.notOk(existsSync(postmasterIn(directory)));

  const server = new Server(t, directory, {});
  while (!existsSync(postmasterIn(directory))) await delay(5);
  await server.end('SIGINT');
  t.notOk(existsSync(postmasterIn(directory)));
});

t.test('in production the tools take no database of their own', async (t) => {
  const calls = [['migrate.js'], ['service-account.js', 'create', 'x', '--role', 'server'], ['verify.js']];
  for (const [script = '', ...given] of calls) {
    const tool = spawn(process.execPath, [join(SERVER, '../../scripts', script), ...given], {
      cwd: newFolder(t),
      env: { PATH: process.env['PATH'], NODE_ENV: 'production' },
    });
    let errors = '';
    tool.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    t.same(await once(tool, 'close'), [script === 'verify.js' ? 2 : 1, null], script);
    t.equal(errors, 'DATABASE_URL is missing.\n');
  }
});

t.test('a tool refuses a DATABASE_URL in the words of the service', async (t) => {
  for (const [DATABASE_URL, fault] of [
    [
      'postgres://user:password@/scoreboard?host=/var/run/postgresql',
      /has a user, but no host: name one, or a socket like \S+%2F/,
    ],
    ['postgres://user:pass/word@localhost/scoreboard', /is not a URL: percent-encode/],
    ['db', /must match pattern/],
  ] as const) {
    const [service, tool] = [SERVER, join(SERVER, '../../scripts/verify.js')].map((script) =>
      spawnSync(process.execPath, [script], {
        cwd: newFolder(t),
        env: { PATH: process.env['PATH'], DATABASE_URL },
        encoding: 'utf8',
      }),
    );
    t.match(tool, { status: 2, stdout: '', stderr: fault });
    t.match(tool?.stderr, /^The environment is not usable:\n {2}- DATABASE_URL .*\n$/);
    t.equal(tool?.stderr, service?.stderr);
  }
});

t.test('a second signal ends it at once, whatever is under way', async (t) => {
  const server = new Server(t, newFolder(t), { DATABASE_URL: await buildTestDatabase(t) });
  const url = await server.ready();
  // Its headers have arrived once the server asks for the body, which never comes.
  const request = httpRequest(`${url}/v1/auth/guest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 2, expect: '100-continue' },
  });
  const cutOff = once(request, 'error');
  request.flushHeaders();
  await once(request, 'continue');
  server.process.kill('SIGTERM');
  while (
    await fetch(`${url}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    )
  );
  t.equal(server.process.exitCode, null, 'it waits for the request');
  t.equal(await server.end('SIGTERM'), 1);
  await cutOff;
});

t.test('an error that nobody has handled closes the service in order, with an exit code', async (t) => {
  const preload = 'process.once("message", () => { Promise.reject(new Error("boom")); });';
  const environment = { DATABASE_URL: await buildTestDatabase(t) };
  const server = new Server(
    t,
    newFolder(t),
    environment,
    '--import',
    `data:text/javascript,${encodeURIComponent(preload)}`,
  );
  const live = await openRaw(t, `${await server.ready()}/v1/leaderboards/global/stream`);
  await live.until(/event: snapshot/);
  const lastWords = live.untilEnd();
  server.process.send('go');
  t.equal(await server.ended(), 1);
  t.match(await lastWords, /retry: \d+\n\n$/);
  t.match(server.output, /"level":"error".*"message":"Unhandled exception"/);
  t.match(server.output, /boom/);
});

t.test('on a terminal the log is for people, elsewhere it is JSON', async (t) => {
  const environment = { LOG_LEVEL: 'info', DATABASE_URL: await buildTestDatabase(t), PORT: '0' };
  const command = `${process.execPath} ${NODE_ARGUMENTS.join(' ')} ${SERVER}`;
  const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: newFolder(t),
    env: { PATH: process.env['PATH'], HOST: '127.0.0.1', ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const ended = once(terminal, 'close');
  t.teardown(() => terminal.kill('SIGTERM'));
  while (!/Ctrl-C/.test(shown)) await once(terminal.stdout, 'data');
  t.match(shown, /\[\d\d:\d\d:\d\d\.\d{3}\].*INFO.*Server listening/);
  t.notMatch(shown, /"level"/);
  terminal.kill('SIGTERM');
  await ended;

  const server = new Server(t, newFolder(t), environment);
  await server.ready();
  const [line = ''] = server.output.split('\n');
  t.match(JSON.parse(line), { level: 'info', message: /^Server listening/ });
});
