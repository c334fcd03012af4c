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
    commandTimeout: ANSWER_WITHIN_MS,
    // A half-open connection is found by what it does not answer, and made anew.
    socketTimeout: 2 * ANSWER_WITHIN_MS,
  };
  const retryStrategy = () => RECONNECT_MS;
  if (mode === 'single') return new Redis(url, { ...options, retryStrategy });
  const { username, password, protocol } = new URL(url.split(',')[0] ?? '');
  return new Cluster(url.split(','), {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: ANSWER_WITHIN_MS,
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
      return await client.evalsha(this.#sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await client.eval(this.#lua, keys.length, ...keys, ...args);
    }
  }
}
