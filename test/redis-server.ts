import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Test } from 'tap';
import { freePort } from '../dev/free-port.js';
import { findTestProgram } from '../dev/test-program.js';
import { connectRedis, type RedisClient } from '../src/redis/connection.js';

/** Options of redis.conf, for example `{ appendonly: 'yes', maxmemory: '4mb', 'maxmemory-policy': 'allkeys-lru' }`. */
export type RedisOptions = Readonly<Record<string, string>>;

const FORMED_WITHIN_MS = 20_000;
const SLOTS = 16_384;

/** A real redis-server or valkey-server on a free port of 127.0.0.1. Without options it keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'scoreboard-redis-'));
  readonly #options: RedisOptions;
  #process: ChildProcess | undefined;

  private constructor(port: number, options: RedisOptions) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#options = options;
  }

  /** Ready when this resolves; gone, with its folder, when the test ends. */
  static async start(t: Test, options: RedisOptions = {}): Promise<RedisServer> {
    for (let tries = 1; ; tries++) {
      const server = new RedisServer(await freePort(), options);
      t.teardown(async () => {
        await server.kill();
        rmSync(server.#folder, { recursive: true, force: true });
      });
      try {
        await server.restart();
        return server;
      } catch (error) {
        // Somebody else on this machine has taken the port meanwhile.
        if (tries === 5 || !String(error).includes('Address already in use')) throw error;
      }
    }
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** kill -9. Resolves when the process is gone. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  /** Starts the killed server again on the same port, with what it has on disk. A node of a cluster is still one. */
  async restart(): Promise<void> {
    const options = { ...COMMON, port: String(this.port), dir: this.#folder, ...this.#options };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const program = findTestProgram('redis-server');
    if (program === undefined) throw new Error('Run "npm test", which installs a Redis server.');
    const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = started;
    const log = await readUntilReady(started.stdout);
    if (log !== null) throw new Error(`The Redis server did not start:\n${log}`);
    // The rest of its log goes nowhere, but must be read, or the pipe fills up.
    started.stdout.resume();
  }

  /** Starts the killed server again without its data. */
  async restartEmpty(): Promise<void> {
    for (const file of ['dump.rdb', 'appendonlydir']) {
      rmSync(join(this.#folder, file), { recursive: true, force: true });
    }
    await this.restart();
  }
}

const COMMON: RedisOptions = {
  bind: '127.0.0.1',
  save: '',
  appendonly: 'no',
  appenddirname: 'appendonlydir',
};

const CLUSTER_NODE: RedisOptions = {
  'cluster-enabled': 'yes',
  'cluster-node-timeout': '2000',
  'cluster-require-full-coverage': 'no',
};

export interface RedisCluster {
  /** Each has a third of the slots; there are no replicas. */
  readonly nodes: readonly RedisServer[];
  /** As REDIS_URL takes it with REDIS_MODE=cluster. */
  readonly url: string;
}

/** A replica of each node of the cluster, which follows it. */
export async function addReplicas(t: Test, { nodes }: RedisCluster): Promise<RedisServer[]> {
  return await Promise.all(
    nodes.map(async (node) => {
      const busPort = await freePort();
      const replica = await RedisServer.start(t, { ...CLUSTER_NODE, 'cluster-port': String(busPort) });
      const [master, client] = [new Redis(node.url), new Redis(replica.url)];
      try {
        const id = String(await master.cluster('MYID'));
        await master.call('CLUSTER', 'MEET', '127.0.0.1', replica.port, busPort);
        await untilDone(async () => {
          await client.call('CLUSTER', 'REPLICATE', id);
        });
        await untilDone(async () => {
          if (!String(await client.info('replication')).includes('master_link_status:up'))
            throw new Error('The replica does not follow its master');
        });
      } finally {
        master.disconnect();
        client.disconnect();
      }
      return replica;
    }),
  );
}

/** Tries until it is done, as long as forming a cluster may take. */
async function untilDone(work: () => Promise<void>): Promise<void> {
  for (const deadline = performance.now() + FORMED_WITHIN_MS; ; await delay(50)) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** The service's own client, connected; it goes with the test. */
export async function connectTestRedis(
  t: Test,
  url: string,
  mode: 'single' | 'cluster' = 'single',
): Promise<RedisClient> {
  const client = connectRedis(mode, url);
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  await once(client, 'ready');
  return client;
}

/** A cluster of three nodes, which goes on with the others when one is away. */
export async function startRedisCluster(t: Test, options: RedisOptions = {}): Promise<RedisCluster> {
  const busPorts = [await freePort(), await freePort(), await freePort()];
  const nodes = await Promise.all(
    busPorts.map((busPort) =>
      RedisServer.start(t, {
        ...CLUSTER_NODE,
        'cluster-port': String(busPort),
        ...options,
      }),
    ),
  );
  const clients = nodes.map(({ url }) => new Redis(url));
  try {
    const share = Math.ceil(SLOTS / nodes.length);
    for (const [i, client] of clients.entries()) {
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, SLOTS) - 1);
      await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', nodes[i]?.port ?? 0, busPorts[i] ?? 0);
    }
    const deadline = performance.now() + FORMED_WITHIN_MS;
    const isFormed = async (client: Redis): Promise<boolean> => {
      const info = await client.cluster('INFO');
      return (
        info.includes('cluster_state:ok') &&
        info.includes(`cluster_size:${nodes.length}`) &&
        info.includes(`cluster_slots_ok:${SLOTS}`)
      );
    };
    while (!(await Promise.all(clients.map(isFormed))).every(Boolean)) {
      if (performance.now() > deadline) throw new Error('The nodes did not become a cluster');
      await delay(50);
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
  return { nodes, url: nodes.map(({ url }) => url).join(',') };
}

/** What the server has said, if it ended without being ready. */
async function readUntilReady(output: Readable): Promise<string | null> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: output })) {
    lines.push(line);
    if (line.includes('Ready to accept connections')) return null;
  }
  return lines.join('\n');
}
