import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { StartError } from '../src/start-error.js';
import { freePort } from './free-port.js';
import {
  openFolder,
  type PostgresFolder,
  runningPort,
  shellQuote,
  startFault,
  textOf,
} from './postgres-folder.js';

const LIMIT_S = 30;
/** Advisory lock: shared by everybody who uses the server, exclusive for the one who is about to stop it. */
const IN_USE = 5077264;
const DUPLICATE_DATABASE = new Set(['42P04', '23505']);

export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the server unless somebody else is still connected to it. */
  stop(): Promise<void>;
}

/**
 * The development database: a real PostgreSQL server on a free port of 127.0.0.1, in a session of its own.
 * Where one runs on this directory already (a second start, a tool, an orphan after kill -9), it is shared, and
 * the last one out stops it. One connection is held until `stop()`.
 * @param options.directory made where it is absent
 * @param options.fsync false gives up durability, for tests
 * @param options.settings further settings of the server, by their names in postgresql.conf
 * @throws StartError
 */
export async function startEmbeddedPostgres(options: {
  directory: string;
  fsync?: boolean;
  settings?: Record<string, string>;
}): Promise<EmbeddedPostgres> {
  const { directory, fsync = true, settings = {} } = options;
  const careless = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  try {
    const folder = await openFolder(directory, fsync);
    const { port, keeper } = await enter(folder, { ...(fsync ? {} : careless), ...settings });
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= leave(folder, port, keeper);
      return stopping;
    };
    return { url: address(folder, port, 'scoreboard'), stop };
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw startFault(error.message, directory);
    throw error;
  }
}

/** Connects to the server of this folder, and starts it where none runs. */
async function enter(folder: PostgresFolder, settings: Record<string, string>) {
  const deadline = Date.now() + LIMIT_S * 1000;
  let obstacle: string | undefined;
  let ours = false;
  for (; Date.now() < deadline; await sleep(100)) {
    const port = runningPort(folder.data);
    try {
      if (port !== undefined) return { port, keeper: await use(folder, port) };
    } catch (error) {
      obstacle = error instanceof Error ? error.message : String(error);
      if (isPassing(error)) continue;
      if (ours) await stopServer(folder);
      throw startFault(obstacle, folder.directory);
    }
    obstacle = await startServer(folder, settings);
    ours = obstacle === undefined;
  }
  throw new StartError(
    `The database in ${folder.directory} is not ready after ${LIMIT_S} s (${obstacle ?? 'no answer'}): ` +
      `start again if it is still recovering, else see ${folder.log}`,
  );
}

/** Refused, starting, stopping or cut off: all that another try may find otherwise. */
const isPassing = (error: unknown) =>
  !(error instanceof pg.DatabaseError) || /^(57P0|53300)/.test(error.code ?? '');

/** @returns what stood in the way, where another try may pass */
async function startServer(
  { directory, data, log, programs }: PostgresFolder,
  settings: Record<string, string>,
): Promise<string | undefined> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    timezone: 'UTC',
    ...settings,
    port: String(await freePort()),
  };
  const flags = Object.entries(all).map(([name, value]) => `-c ${name}=${shellQuote(value)}`);
  writeFileSync(log, '', { mode: 0o600 });
  const started = await programs.pgCtl([
    ...['start', '-w', '-t', String(LIMIT_S), '-D', data, '-l', log, '-o', flags.join(' ')],
  ]);
  if (started.ok) return undefined;
  const report = started.output + textOf(log);
  // The port was taken in between, somebody else was first, or a crashed server's last process is on its way out.
  const passing = /could not create any TCP.*|lock file "postmaster.pid".*|pre-existing shared memory.*/;
  const obstacle = passing.exec(report)?.[0];
  if (obstacle === undefined && runningPort(data) === undefined) throw startFault(report, directory);
  return obstacle ?? 'still starting';
}

async function stopServer({ data, programs }: PostgresFolder): Promise<void> {
  const stopped = await programs.pgCtl(['stop', '-w', '-t', String(LIMIT_S), '-m', 'fast', '-D', data]);
  if (!stopped.ok) throw new Error(`The database in ${data} does not stop: ${stopped.output}`);
}

async function use(folder: PostgresFolder, port: number): Promise<pg.Client> {
  const client = await connect(address(folder, port, 'postgres'));
  try {
    // Waits while somebody decides to stop the server, and fails with it.
    await client.query('select pg_advisory_lock_shared($1)', [IN_USE]);
    const found = await client.query("select from pg_database where datname = 'scoreboard'");
    if (found.rowCount === 0) await client.query('create database scoreboard').catch(unlessDuplicate);
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

function unlessDuplicate(error: unknown): void {
  if (!(error instanceof pg.DatabaseError && DUPLICATE_DATABASE.has(error.code ?? ''))) throw error;
}

async function leave(folder: PostgresFolder, port: number, keeper: pg.Client): Promise<void> {
  await keeper.end();
  const client = await connect(address(folder, port, 'postgres')).catch(() => undefined);
  if (client === undefined) return; // The server is gone already.
  try {
    if (await isAlone(client)) await stopServer(folder);
  } finally {
    await client.end();
  }
}

/** Whether nobody else uses the server. Connections closed a moment ago take a moment to go. */
async function isAlone(client: pg.Client): Promise<boolean> {
  const lock = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [IN_USE]);
  if (!lock.rows[0]?.ours) return false;
  for (let tries = 0; tries < 20; tries++) {
    const others = await client.query(
      "select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    if (others.rowCount === 0) return true;
    await sleep(100);
  }
  return false;
}

async function connect(connectionString: string): Promise<pg.Client> {
  const limits = { connectionTimeoutMillis: 5_000, query_timeout: LIMIT_S * 1000 };
  const client = new pg.Client({ connectionString, ssl: false, ...limits });
  client.on('error', () => {}); // A killed server shows at the next query; without a listener it would end us.
  await client.connect();
  return client;
}

const address = ({ password }: PostgresFolder, port: number, database: string) =>
  `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
