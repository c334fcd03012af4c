import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTemplate, inDatabase, query } from '../dev/databases.js';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import { freePort } from '../dev/free-port.js';
import { ensureTestProgram } from '../dev/test-program.js';
import { connectRedis } from '../src/redis/connection.js';
import type { LoadResult } from './http-load.js';
import type { Job, MintJob, Received, StreamJob } from './load-process.js';
import { ACTION_TOKEN_SECRET, JWT_SECRET, sqlId, TOKEN_LIFETIME_S } from './players.js';
import { memoryOf, secondsOf, treeOf } from './processor-time.js';
import type { UsageKind } from './usage.js';
import type { Variant } from './variants.js';

/** As in production, but without effective limits: all load comes from one address. */
const PRODUCTION = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  JWT_SECRET,
  ACTION_TOKEN_SECRET,
  ACTION_TOKEN_TTL: String(TOKEN_LIFETIME_S),
  RATE_LIMIT_SCORE_UPDATE: '1000000000',
  RATE_LIMIT_READ: '1000000000',
  SSE_MAX_CONNECTIONS: '20000',
  SSE_MAX_CONNECTIONS_PER_IP: '20000',
};

/** Usual for a server of this size. With the defaults the benchmark would measure mostly checkpoints. */
const POSTGRES = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  maintenance_work_mem: '2GB',
  // Of all instances that a case compares.
  max_connections: '300',
};

const COLLECT_COIN = `
INSERT INTO actions (id, title, points_min, points_max, issuer, min_duration_ms)
VALUES ('collect-coin', 'Collect a coin', 10, 10, 'player', 0);
INSERT INTO action_leaderboards VALUES ('collect-coin', 'global')`;

/** The number of the user who leads every board by far. */
export const LEADER = 0;

/** The service, or a variant to compare it with, in a process of its own. */
export interface Server {
  readonly port: number;
  /** Processor time so far in seconds, or memory after a collection in bytes. */
  used(what: UsageKind): Promise<number>;
  /** Runs `work` while the server is profiled. */
  profiled<T>(work: () => Promise<T>): Promise<{ result: T; profile: Profiler.Profile }>;
  stop(): Promise<void>;
}

const START_WITHIN_MS = 60_000;

/** Users of the largest database. */
export const MANY = 1_000_000;

/** Starts the servers, databases and clients of the cases, and ends them. */
export class Testbed {
  readonly #directory = mkdtempSync(join(tmpdir(), 'scoreboard-bench-'));
  readonly #ends: (() => Promise<unknown>)[] = [];
  #postgres: ReturnType<typeof startEmbeddedPostgres> | undefined;
  #clients: ChildProcess | undefined;
  #million: Promise<string> | undefined;

  /** A database with MANY users, all on the board `global`. Filling it takes a while, so the cases share it. */
  million(): Promise<string> {
    this.#million ??= this.database('million', MANY, MANY);
    return this.#million;
  }

  /**
   * A migrated database with the users LEADER to `users`; the first `entries` of them have an entry on the board `global`.
   * @returns its URL
   */
  async database(name: string, users: number, entries = 0): Promise<string> {
    // Durable, as in production: a score is on disk before it is answered.
    this.#postgres ??= startEmbeddedPostgres({
      directory: join(this.#directory, 'postgres'),
      settings: POSTGRES,
    });
    const { url } = await this.#postgres;
    await createTemplate(url, name);
    const database = inDatabase(url, name);
    await query(database, COLLECT_COIN);
    await query(
      database,
      `INSERT INTO users (id, display_name)
       SELECT ${sqlId('n')}, 'Player ' || n FROM generate_series(${LEADER}, ${users}) n`,
    );
    await addEntries(database, 'global', entries, 1);
    return database;
  }

  /** Adds a board on which every `step`-th user has an entry. */
  async board(database: string, id: string, entries: number, step: number): Promise<void> {
    await query(
      database,
      `INSERT INTO leaderboards (id, title, sort, operator) VALUES ('${id}', '${id}', 'desc', 'increment')`,
    );
    await addEntries(database, id, entries, step);
  }

  /** Adds leaderboards `level-1` to `level-<count>`; ten users have entries on each of the first `inUse`. */
  async boards(database: string, count: number, inUse: number): Promise<void> {
    await query(
      database,
      `INSERT INTO leaderboards (id, title, sort, operator)
       SELECT 'level-' || n, 'Level ' || n, 'desc', 'best' FROM generate_series(1, ${count}) n;
       SET session_replication_role = replica;
       INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
       SELECT 'level-' || n, 1, ${sqlId('user_n')}, user_n, -user_n, now(), 1
       FROM generate_series(1, ${inUse}) n, generate_series(1, 10) user_n`,
    );
    await settle(database);
  }

  /** Adds past score events, of these users in turn. */
  async events(database: string, count: number, users: number): Promise<void> {
    await query(
      database,
      `DROP INDEX score_events_counted_idx;
       ALTER TABLE score_events DROP CONSTRAINT score_events_pkey;
       INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards, signing_key)
       SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid,
              ${sqlId(`1 + n % ${users}`)}, 'collect-coin', gen_random_uuid(), 10, at, '{"global": 1}', 'key_00000000'
       FROM (SELECT n, now() - (${count} - n) * interval '100 ms' AS at FROM generate_series(1::bigint, ${count}) n) made;
       ALTER TABLE score_events ADD PRIMARY KEY (id);
       CREATE INDEX score_events_counted_idx ON score_events (user_id, accepted_at, id) WHERE status = 'counted'`,
    );
    await settle(database);
  }

  async server(
    variant: Variant,
    databaseUrl: string,
    environment: Readonly<Record<string, string>> = { REDIS_MODE: 'off' },
  ): Promise<Server> {
    const { server } = await this.#start('server.js', [variant], {
      ...PRODUCTION,
      DATABASE_URL: databaseUrl,
      ...environment,
    });
    return server;
  }

  /** The service as operators start it, with a number of processes. Its usage is that of all of them. */
  async workers(count: number, databaseUrl: string): Promise<Server> {
    const port = await freePort();
    const child = spawn(process.execPath, [fileURLToPath(new URL('../src/server.js', import.meta.url))], {
      env: {
        ...PRODUCTION,
        ...{ DATABASE_URL: databaseUrl, REDIS_MODE: 'off', WORKERS: String(count), PORT: String(port) },
        // As in the image.
        NODE_OPTIONS: '--enable-source-maps',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const stop = async () => {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    };
    this.#ends.push(stop);
    const processes = () => treeOf(child.pid ?? 0);
    await untilAll(count === 1 ? 1 : count + 1, processes);
    await untilHealthy(port);
    return {
      port,
      used: async (what) => (what === 'cpu' ? secondsOf(processes()) : memoryOf(processes())),
      profiled: () => Promise.reject(new Error('Several processes are not profiled')),
      stop,
    };
  }

  /** A server that writes one Buffer to all its connections at this rate, between one `toggle` and the next. */
  async sharedBuffer(
    bytes: number,
    timesPerSecond: number,
  ): Promise<{ server: Server; toggle(): Promise<unknown> }> {
    const { child, server } = await this.#start(
      'shared-buffer.js',
      [String(bytes), String(timesPerSecond)],
      {},
    );
    return { server, toggle: () => ask(child, 'send') };
  }

  /** A server that is nothing but Fastify and a sorted set of Redis, with the users from LEADER on. */
  async bareServer(users: number): Promise<Server> {
    const { server } = await this.#start('bare-server.js', [String(users)], await this.redis());
    return server;
  }

  async #start(
    file: string,
    args: string[],
    env: Record<string, string>,
  ): Promise<{ child: ChildProcess; server: Server }> {
    const child = fork(compiled(file), args, {
      env,
      // Logs are written but not read: a reader would take processor time.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#ends.push(() => end(child));
    const port = await answer<number>(child);
    const server: Server = {
      port,
      used: (what) => ask<number>(child, what),
      async profiled(work) {
        await ask(child, 'profile');
        const result = await work();
        return { result, profile: await ask<Profiler.Profile>(child, 'profile') };
      },
      stop: () => end(child),
    };
    return { child, server };
  }

  /** Starts a Redis server. @returns the environment of a service that uses it */
  async redis(): Promise<{ REDIS_MODE: 'single'; REDIS_URL: string }> {
    const port = await freePort();
    const program = ensureTestProgram('redis-server');
    const child = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
      stdio: 'ignore',
      cwd: this.#directory,
    });
    this.#ends.push(() => {
      child.kill();
      return once(child, 'exit');
    });
    const url = `redis://127.0.0.1:${port}`;
    const client = connectRedis('single', url);
    client.on('error', () => {}); // Connections are refused until it is up; once() would reject then.
    await new Promise<void>((resolve) => client.once('ready', resolve));
    client.disconnect();
    return { REDIS_MODE: 'single', REDIS_URL: url };
  }

  /** Runs a job in the client process. @throws Error if any answer was wrong */
  async load(job: Job): Promise<LoadResult> {
    const result = await this.tryLoad(job);
    if (result.wrong > 0) throw new Error(`${result.wrong} answers were wrong`);
    return result;
  }

  /** Runs a job in the client process, whose answers may be wrong. */
  tryLoad(job: Job): Promise<LoadResult> {
    return ask<LoadResult>(this.#client(), job);
  }

  /** Mints the tokens of a job in advance, so that minting is not measured. */
  async mint(job: MintJob): Promise<void> {
    await ask<number>(this.#client(), job);
  }

  /** Opens streams in the client process, or counts what they receive. */
  streams(job: StreamJob): Promise<Received> {
    return ask<Received>(this.#client(), job);
  }

  #client(): ChildProcess {
    if (this.#clients === undefined) {
      const child = fork(compiled('load-process.js'));
      this.#clients = child;
      this.#ends.push(() => end(child));
    }
    return this.#clients;
  }

  /** Ends the servers and clients of a case. */
  async clear(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    this.#clients = undefined;
  }

  async end(): Promise<void> {
    await this.clear();
    await (await this.#postgres)?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function untilAll(count: number, processes: () => readonly number[]): Promise<void> {
  while (processes().length < count) await delay(50);
}

async function untilHealthy(port: number): Promise<void> {
  const deadline = performance.now() + START_WITHIN_MS;
  for (;;) {
    const isHealthy = await fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isHealthy) return;
    if (performance.now() > deadline) throw new Error('The service did not become healthy');
    await delay(50);
  }
}

async function addEntries(database: string, board: string, count: number, step: number): Promise<void> {
  // Without checks of the foreign keys, which would double the time: the users and the board were just inserted.
  await query(
    database,
    `SET session_replication_role = replica;
     INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
     SELECT '${board}', 1, ${sqlId(`n * ${step}`)}, score, -score, now() - n * interval '1 ms', 1
     FROM (SELECT n, CASE n WHEN ${LEADER} THEN 1000000000 ELSE 1 + abs(hashint4(n::int) % 1000000) END AS score
           FROM generate_series(${LEADER}, ${count - 1}) n) made`,
  );
  await settle(database);
}

/** Finishes the background work of filling, so that it is not measured. */
async function settle(database: string): Promise<void> {
  await query(database, 'VACUUM ANALYZE');
  await query(database, 'CHECKPOINT');
}

const compiled = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

async function ask<Answer>(child: ChildProcess, message: object | string): Promise<Answer> {
  const answered = answer<Answer>(child);
  child.send(message);
  return answered;
}

function answer<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const exited = () =>
      reject(new Error(`A process of the benchmark has ended: ${child.spawnargs.join(' ')}`));
    child.once('exit', exited);
    child.once('message', (message: Answer) => {
      child.off('exit', exited);
      resolve(message);
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exited;
}
