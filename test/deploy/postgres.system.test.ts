import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { query } from '../../dev/databases.js';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually } from '../api.js';
import { readCompose, serviceOf } from './compose.js';

t.setTimeout(180_000);
const UP_WITHIN_MS = 60_000;
const PASSWORDS = { POSTGRES_PASSWORD: 'a-password', REPLICATION_PASSWORD: "another's password" };
const filled = { ...PASSWORDS, REDIS_PASSWORD: 'x', JWT_SECRET: 'x', ACTION_TOKEN_SECRET: 'x' };
const stack = readCompose('compose.yaml', filled);

/** PostgreSQL refuses to run as root. */
const AS_SERVER =
  process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];

/** A folder like that of the image of PostgreSQL, and its programs. */
function machine(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-replication-'));
  if (AS_SERVER.length > 0) execFileSync('chown', ['65534:65534', folder]);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const PATH = `${dirname(findTestProgram('initdb') ?? '')}:${process.env['PATH']}`;
  const command = (args: readonly string[]) => {
    const [program = '', ...rest] = [...AS_SERVER, ...args];
    return [program, rest] as const;
  };
  return {
    folder,
    run: (args: readonly string[], env: Record<string, string>) =>
      promisify(execFile)(...command(args), { env: { PATH, ...env }, cwd: folder }),
    start: (args: readonly string[], env: Record<string, string>) => {
      const stdio: ['ignore', 'ignore', 'inherit'] = ['ignore', 'ignore', 'inherit'];
      const child = spawn(...command(args), { env: { PATH, ...env }, cwd: folder, stdio });
      t.teardown(() => stop(child));
      return child;
    },
  };
}

/** A fast shutdown. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGINT');
  await exited;
}

const script = (name: string, ...args: string[]) => [
  ...['sh', '-c', readFileSync(join('deploy/postgres', name), 'utf8'), name, ...args],
];

const listen = (folder: string, port: number) =>
  [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    'fsync=off',
    'log_min_messages=panic',
  ].flatMap((setting) => ['-c', setting]);

t.test('the replica of the stack copies its primary, and follows it', async (t) => {
  const { folder, run, start } = machine(t);
  const [port, replicaPort] = [await freePort(), await freePort()];
  const { command = [], environment = {} } = serviceOf(stack, 'postgres');
  const user = String(environment['POSTGRES_USER']);
  const at = (where: number) =>
    `postgres://${user}:${PASSWORDS.POSTGRES_PASSWORD}@127.0.0.1:${where}/scoreboard`;

  // What the image does before it runs the scripts in docker-entrypoint-initdb.d.
  const PGDATA = join(folder, 'primary');
  writeFileSync(join(folder, 'password'), PASSWORDS.POSTGRES_PASSWORD);
  await run(
    [
      'initdb',
      '-U',
      user,
      '--auth-local=trust',
      '--auth-host=scram-sha-256',
      '--pwfile=password',
      '--no-sync',
    ],
    { PGDATA },
  );
  const primaryCommand = [...command, ...listen(folder, port)];
  const first = start(primaryCommand, { PGDATA });
  const connection = { PGHOST: folder, PGPORT: String(port) };
  await eventually(() => run(['createdb', '-U', user, 'scoreboard'], connection), UP_WITHIN_MS);
  const ofImage = { POSTGRES_USER: user, POSTGRES_DB: 'scoreboard', ...PASSWORDS };
  // A replica on another machine does not need the rules of this one.
  const rules = join(PGDATA, 'pg_hba.conf');
  writeFileSync(rules, readFileSync(rules, 'utf8').replaceAll(/^.* replication .*\n/gm, ''));
  await run(script('primary.sh'), { PGDATA, ...connection, ...ofImage });
  await stop(first);
  start(primaryCommand, { PGDATA });
  await eventually(() => query(at(port), 'SELECT'), UP_WITHIN_MS);
  await migrate(at(port));

  // The remains of an interrupted copy.
  const data = join(folder, 'replica', 'data');
  mkdirSync(`${data}.new`, { recursive: true });
  writeFileSync(join(`${data}.new`, 'PG_VERSION'), 'half');
  if (AS_SERVER.length > 0) execFileSync('chown', ['-R', '65534:65534', join(folder, 'replica')]);
  const { environment: replicaEnvironment = {} } = serviceOf(stack, 'postgres-replica');
  const startReplica = () =>
    start(script('replica.sh', ...listen(folder, replicaPort)), {
      ...Object.fromEntries(Object.entries(replicaEnvironment).map(([name, value]) => [name, String(value)])),
      ...{ PGDATA: data, PRIMARY_HOST: '127.0.0.1', PRIMARY_PORT: String(port) },
    });
  const replica = startReplica();
  const count = () =>
    query(at(replicaPort), 'SELECT pg_is_in_recovery() AS standby, count(*)::int FROM leaderboards');
  await eventually(async () => assert.deepEqual(await count(), [{ standby: true, count: 1 }]), UP_WITHIN_MS);
  t.pass('what was there is there');
  // It answers reads before it asks for what is new.
  const slots = () => query(at(port), 'SELECT active FROM pg_replication_slots');
  await eventually(async () => assert.deepEqual(await slots(), [{ active: true }]), UP_WITHIN_MS);
  t.pass('in its slot');
  t.match(await query(at(port), 'SHOW max_slot_wal_keep_size'), [{ max_slot_wal_keep_size: '10GB' }]);

  await stop(replica);
  writeFileSync(join(data, 'kept'), '');
  await query(
    at(port),
    "INSERT INTO leaderboards (id, title, sort, operator) VALUES ('x', 'X', 'desc', 'best')",
  );
  startReplica();
  await eventually(async () => assert.deepEqual(await count(), [{ standby: true, count: 2 }]), UP_WITHIN_MS);
  t.ok(existsSync(join(data, 'kept')), 'what it missed it gets, without another copy');
});
