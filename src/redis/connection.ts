import { Cluster, Redis } from 'ioredis';

export type RedisClient = Redis | Cluster;

/** Nothing waits for Redis longer than this, in milliseconds: then reads go to PostgreSQL. */
export const ANSWER_WITHIN_MS = 800;
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
    // A half-open connection is found by the first command that it does not answer, and replaced. Commands fail at once
    // meanwhile.
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
