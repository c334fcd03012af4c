import { once } from 'node:events';
import fastifyRedis from '@fastify/redis';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { withDeadline } from '../src/deadline.js';
import { connectRedis, type RedisClient } from '../src/redis/connection.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** A second connection, which only listens. */
    redisSubscriber: RedisClient;
  }
}

const FIRST_CONNECTION_MS = 1_000;

/** The connections to Redis, if REDIS_MODE asks for them. The service starts, and goes on, while Redis is away. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    if (config.REDIS_MODE === 'off') return;
    const client = connectRedis(config.REDIS_MODE, config.REDIS_URL ?? '');
    const subscriber = connectRedis(config.REDIS_MODE, config.REDIS_URL ?? '');
    for (const connection of [client, subscriber]) {
      // While Redis is away each try to reconnect fails; only the first is reported.
      let away = false;
      connection.on('ready', () => {
        away = false;
      });
      connection.on('error', (error: unknown) => {
        if (!away) app.faults.redis(error, 'keeping the connection');
        away = true;
      });
    }
    app.addHook('onClose', async () => {
      client.disconnect();
      subscriber.disconnect();
    });
    await withDeadline(once(client, 'ready'), FIRST_CONNECTION_MS, 'Redis is not there yet').catch(() => {});
    // @fastify/redis waits for its client to connect before the service starts. Redis may be down, so it sees a ready client.
    let registered = false;
    const patient = new Proxy(client, {
      get: (target, name) => (name === 'status' && !registered ? 'ready' : Reflect.get(target, name)),
    });
    await app.register(fastifyRedis, { client: patient });
    registered = true;
    app.decorate('redisSubscriber', { getter: () => subscriber });
  },
  { name: 'redis', dependencies: ['faults'], fastify: '5.x' },
);
