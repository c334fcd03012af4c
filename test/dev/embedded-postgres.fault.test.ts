import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t from 'tap';
import { query } from '../../dev/databases.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../dev/embedded-postgres.js';
import { startFault } from '../../dev/postgres-folder.js';
import { StartError } from '../../src/start-error.js';

t.setTimeout(300_000);

type Test = Pick<typeof t, 'teardown'>;

/** A folder that goes at the end of the test, and whatever server still runs on it before. */
function newDirectory(t: Test): string {
  const parent = mkdtempSync(join(tmpdir(), 'scoreboard-embedded-'));
  const directory = join(parent, 'postgres');
  t.teardown(() => {
    kill(directory);
    rmSync(parent, { recursive: true, maxRetries: 10 });
  });
  return directory;
}

function kill(directory: string): void {
  if (isRunning(directory)) process.kill(postmaster(directory), 'SIGKILL');
}

const start = (directory: string) => startEmbeddedPostgres({ directory, fsync: false });
const pidFile = (directory: string) => join(directory, 'data', 'postmaster.pid');
const isRunning = (directory: string) => existsSync(pidFile(directory));
const postmaster = (directory: string) => Number(readFileSync(pidFile(directory), 'utf8').split('\n')[0]);

/** The one value that a query returns. */
async function selected(url: string, sql: string): Promise<unknown> {
  const [row] = await query(url, sql);
  return row && Object.values(row)[0];
}

async function faultOf(starting: Promise<EmbeddedPostgres>): Promise<string> {
  try {
    const { stop } = await starting;
    await stop();
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  throw new Error('the database started');
}

t.test('a new folder gets a durable server on loopback that answers, and keeps its data', async (t) => {
  const directory = newDirectory(t);
  const first = await startEmbeddedPostgres({ directory });
  t.equal(new URL(first.url).hostname, '127.0.0.1');
  t.equal(new URL(first.url).pathname, '/scoreboard');
  t.equal(statSync(join(directory, 'password')).mode & 0o777, 0o600);
  t.equal(await selected(first.url, 'select 1'), 1);
  t.equal(await selected(first.url, "select current_setting('fsync')"), 'on');
  t.equal(await selected(first.url, "select current_setting('synchronous_commit')"), 'on');
  t.equal(await selected(first.url, "select current_setting('server_encoding')"), 'UTF8');
  t.equal(await selected(first.url, "select datcollate from pg_database where datname = 'scoreboard'"), 'C');
  const guessed = new URL(first.url);
  guessed.password = 'guess';
  await t.rejects(selected(guessed.href, 'select 1'), { code: '28P01' });
  await query(first.url, 'create table kept as select 42 as answer');
  await first.stop();
  t.notOk(isRunning(directory), 'nothing runs after the stop');

  const second = await startEmbeddedPostgres({ directory, settings: { work_mem: '5MB' } });
  t.equal(await selected(second.url, 'select answer from kept'), 42);
  t.equal(await selected(second.url, "select current_setting('work_mem')"), '5MB');
  await second.stop();
  await second.stop();
});

t.test('a second start shares the server, and the last one out stops it', async (t) => {
  const directory = newDirectory(t);
  const first = await start(directory);
  const second = await start(directory);
  t.equal(second.url, first.url);
  await first.stop();
  t.equal(await selected(second.url, 'select 1'), 1, 'still there for the second, idle as it is');
  await second.stop();
  t.notOk(isRunning(directory));
});

t.test('a server that somebody else is connected to is left running', async (t) => {
  const directory = newDirectory(t);
  const { url, stop } = await start(directory);
  const visitor = new pg.Client({ connectionString: url });
  await visitor.connect();
  await stop();
  t.equal((await visitor.query('select 1')).rowCount, 1);
  await visitor.end();
  const { stop: stopLast } = await start(directory);
  await stopLast();
  t.notOk(isRunning(directory));
});

t.test('processes that start and stop at the same moment share one server', async (t) => {
  const directory = newDirectory(t);
  const children = await Promise.all([1, 2, 3].map(() => startInProcess(t, directory)));
  t.equal(new Set(children.map(({ url }) => url)).size, 1);
  for (const { process } of children) process.stdin?.end();
  const exits = await Promise.all(children.map(({ exit }) => exit));
  t.same(exits, [0, 0, 0]);
  t.notOk(isRunning(directory));
});

async function startInProcess(t: Test, directory: string) {
  const module = new URL('../../dev/embedded-postgres.js', import.meta.url).href;
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    const { url, stop } = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, fsync: false });
    process.stdin.on('end', stop).resume();
    process.stdout.write(url);`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit').then(([code]) => code as unknown);
  if (!child.stdout) throw new Error('no pipe');
  const [chunk] = await once(child.stdout, 'data');
  return { process: child, url: String(chunk), exit };
}

t.test('a start that meets a server which somebody is about to stop starts it anew', async (t) => {
  const directory = newDirectory(t);
  const { url, stop } = await start(directory);
  const stopper = new pg.Client({ connectionString: new URL('/postgres', url).href });
  stopper.on('error', () => {});
  await stopper.connect();
  const held = "select objid::int as key from pg_locks where locktype = 'advisory'";
  const { rows } = await stopper.query<{ key: number }>(held);
  await stop();
  await stopper.query('select pg_advisory_lock($1)', [rows[0]?.key]);
  const starting = start(directory);
  while ((await stopper.query(`${held} and not granted`)).rowCount === 0) await setTimeout(20);
  process.kill(postmaster(directory), 'SIGINT');
  const second = await starting;
  t.equal(await selected(second.url, 'select 1'), 1);
  await second.stop();
});

t.test('it starts again after kill -9 of the server, with what was committed', async (t) => {
  const directory = newDirectory(t);
  const first = await startEmbeddedPostgres({ directory });
  await query(first.url, 'create table kept as select 42 as answer');
  process.kill(postmaster(directory), 'SIGKILL');
  const second = await startEmbeddedPostgres({ directory });
  t.equal(await selected(second.url, 'select answer from kept'), 42);
  await first.stop();
  t.equal(await selected(second.url, 'select 1'), 1, 'the stop of the killed one does not touch the new one');
  await second.stop();
});

t.test('a postmaster.pid whose number another program has by now does not stop the start', async (t) => {
  const directory = newDirectory(t);
  const first = await start(directory);
  const lines = readFileSync(pidFile(directory), 'utf8').split('\n');
  await first.stop();
  const { uid, gid } = statSync(join(directory, 'data'));
  const other = spawn('sleep', ['60'], process.getuid?.() === 0 ? { uid, gid } : {});
  t.teardown(() => other.kill());
  writeFileSync(pidFile(directory), [other.pid, ...lines.slice(1)].join('\n'), { mode: 0o600 });
  utimesSync(pidFile(directory), 0, 0);
  const second = await start(directory);
  t.equal(await selected(second.url, 'select 1'), 1);
  await second.stop();
  t.equal(other.exitCode, null, 'the other program lives');
});

t.test('an empty postmaster.pid and a half-made folder of a killed start do not stop it', async (t) => {
  const directory = newDirectory(t);
  const halfMade = join(directory, 'initdb-999999999-abcdef');
  mkdirSync(halfMade, { recursive: true });
  const first = await start(directory);
  t.notOk(existsSync(halfMade));
  await first.stop();
  writeFileSync(pidFile(directory), '', { mode: 0o600 });
  utimesSync(pidFile(directory), 0, 0);
  const second = await start(directory);
  t.equal(await selected(second.url, 'select 1'), 1);
  await second.stop();
});

for (const [what, file, content] of [
  ['a control file full of rubbish', 'global/pg_control', 'x'.repeat(8192)],
  ['the version of another PostgreSQL', 'PG_VERSION', '15\n'],
  ['a missing version', 'PG_VERSION', undefined],
] as const) {
  t.test(`${what} is one line that says what to do`, async (t) => {
    const directory = newDirectory(t);
    const { stop } = await start(directory);
    await stop();
    const path = join(directory, 'data', file);
    if (content === undefined) rmSync(path);
    else writeFileSync(path, content);
    const message = await faultOf(start(directory));
    t.match(message, `mv ${directory} ${directory}.broken-`);
    t.notMatch(message, '\n');
    t.notOk(isRunning(directory));
    const command = /mv .*$/.exec(message)?.[0] ?? 'false';
    t.equal(spawnSync('sh', ['-c', command]).status, 0, 'the command works');
    t.notOk(existsSync(directory));
  });
}

t.test('a folder that cannot be made is one line that says so', async (t) => {
  const directory = join(t.testdir({ file: '' }), 'file', 'postgres');
  const message = await faultOf(start(directory));
  t.match(message, `No database can be made in ${directory} (ENOTDIR`);
  t.notMatch(message, '\n');
});

t.test('a full disk is one line that says so', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'scoreboard-full-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'tmpfs', parent]).status !== 0) {
    t.comment('STAND-IN: this user may not mount a small file system; initdb and the log are texts here');
    const initdb =
      'initdb: error: could not write to file "pg_wal/xlogtemp.1": No space left on device\ninitdb: removing contents';
    const log = '2026-01-01 00:00:00 UTC [1] FATAL:  could not write lock file: No space left on device';
    for (const report of [initdb, log, "ENOSPC: no space left on device, mkdir '/x'"]) {
      t.match(startFault(report, parent).message, /^No space left on device: the database in .* make room/);
    }
    return;
  }
  const directory = join(parent, 'postgres');
  t.teardown(() => {
    kill(directory);
    spawnSync('umount', ['--lazy', parent]);
  });
  const ballast = join(parent, 'ballast');
  for (const count of [79, 60, 50]) {
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=1M', `count=${count}`]);
    t.match(await faultOf(start(directory)), /^No space left on device: the database in .* make room/);
  }
  rmSync(ballast);
  const { url, stop } = await start(directory);
  t.equal(await selected(url, 'select 1'), 1, 'and it starts once there is room');
  await stop();
});
