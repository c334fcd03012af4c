import { createHash } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';

export type RedisClient = Redis | Cluster;

/** Nothing waits for Redis longer than this, in milliseconds: then reads go to PostgreSQL. */
const ANSWER_WITHIN_MS = 800;
const RECONNECT_MS = 500;

/**
 * A client that fails at once while Redis is away, instead of queueing, and comes back by itself. A command whose
 * connection was cut is not sent again: nobody knows whether it ran, so whatever is sent must bear being sent twice.
 */
export function connectRedis(mode: 'single' | 'cluster', url: string): RedisClient {
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: ANSWER_WITHIN_MS,
    // A half-open connection is found by the first command that it does not answer, and made anew: what is asked
    // meanwhile fails at once.
    socketTimeout: ANSWER_WITHIN_MS,
    // After a failover behind one address the old master, now a replica, may still hold the connection.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  };
  const retryStrategy = () => RECONNECT_MS;
  if (mode === 'single') return new Redis(url, { ...options, retryStrategy });
  const nodes = url.split(',').map((node) => node.trim());
  const { username, password, protocol } = new URL(nodes[0] ?? '');
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    // A command for a node that is away fails, instead of being tried again for seconds.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: ANSWER_WITHIN_MS,
    // With TLS the names of the nodes must stay, as their certificates are made out to them.
    ...(protocol === 'rediss:' && {
      dnsLookup: (address: string, callback: (error: null, address: string) => void) =>
        callback(null, address),
    }),
    redisOptions: {
      ...options,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  });
}

/** A Lua script, sent by its hash; in full only to a server that does not know it. */
export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#sha = createHash('sha1').update(lua).digest('hex');
  }

  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await inTime(client.evalsha(this.#sha, keys.length, ...keys, ...args));
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await inTime(client.eval(this.#lua, keys.length, ...keys, ...args));
    }
  }
}

/** Runs a script: one that fails or is not answered in time throws. The answer is not checked yet. */
type RunScript = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;
export type Scripts<Name extends string> = Readonly<Record<Name, RunScript>>;

/** Makes Lua scripts commands of the client, which sends them by their hash, in full only to a server that does not know them. */
export function defineScripts<Name extends string>(
  client: RedisClient,
  sources: Readonly<Record<Name, { readonly numberOfKeys: number; readonly lua: string }>>,
): Scripts<Name> {
  const commandOf = (name: string): RunScript => {
    const command: unknown = Reflect.get(client, `scoreboard:${name}`);
    if (typeof command !== 'function') throw new Error(`No command ${name}`);
    return (keys, args) => inTime(Promise.resolve(Reflect.apply(command, client, [...keys, ...args])));
  };
  const commands: Partial<Record<Name, RunScript>> = {};
  for (const name in sources) {
    client.defineCommand(`scoreboard:${name}`, sources[name]);
    commands[name] = commandOf(name);
  }
  return commands as Scripts<Name>;
}

/** The answer of a command, or an error: a cluster also waits for connections to nodes, and for redirections. */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis has not answered in time')), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
