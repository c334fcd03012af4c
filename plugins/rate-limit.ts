import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';
import { RateCounters } from '../src/rate-counters.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Route options that replace the limit on reads by another. */
    limits: {
      /** Logins and the like, for each address. */
      readonly auth: FastifyContextConfig;
      /** A player's own scores. Game servers are trusted. */
      readonly scores: FastifyContextConfig;
      /** For what probes the service. */
      readonly none: FastifyContextConfig;
    };
  }
}

/** How often somebody may ask. Counted for each address, unless a route says otherwise; for unknown routes too. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    // @fastify/rate-limit pushes its hook into the array that a route gives: several routes may share one.
    app.addHook('onRoute', (route) => {
      if (Array.isArray(route.onRequest)) route.onRequest = [...route.onRequest];
    });
    await app.register(rateLimit, {
      max: config.RATE_LIMIT_READ,
      timeWindow: config.RATE_LIMIT_WINDOW_MS,
      store: storeOf(new RateCounters(config.REDIS_MODE === 'off' ? null : app.redis)),
      // Reads go on uncounted while Redis is away.
      skipOnError: true,
      // Game servers are trusted; where they must be known, they are by now.
      allowList: (request: FastifyRequest) => request.user?.role === 'server',
      errorResponseBuilder: (_request, { max, ttl }) => {
        const retryAfter = Math.max(1, Math.ceil(ttl / 1000));
        return new Problem(
          'rate-limited',
          `Only ${max} of these are allowed in a while. Try again in ${retryAfter} s.`,
          { retryAfter },
        );
      },
    });
    app.decorate('limits', {
      auth: { rateLimit: { max: config.RATE_LIMIT_AUTH, groupId: 'auth', skipOnError: false } },
      scores: {
        rateLimit: {
          max: config.RATE_LIMIT_SCORE_UPDATE,
          skipOnError: false,
          // After authentication, which is onRequest, and before the body is read.
          hook: 'preParsing',
          keyGenerator: (request: FastifyRequest) => request.user.id,
          allowList: (request: FastifyRequest) => request.user.role === 'server',
        },
      },
      none: { rateLimit: false },
    });
    app.setNotFoundHandler({ preHandler: app.rateLimit() }, async (request) => {
      throw new Problem('not-found', `There is no ${request.method} ${request.url.split('?')[0]}.`);
    });
  },
  { name: 'rate-limit', dependencies: ['problem-details', 'redis'], fastify: '5.x' },
);

/** Our counters in the form that @fastify/rate-limit wants. Limits that must hold fall back on this process's own. */
function storeOf(counters: RateCounters): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    readonly #mayFail: boolean;

    /** The options of the plugin, or those of a route merged into them. */
    constructor(options: object) {
      this.#mayFail = 'skipOnError' in options && options.skipOnError === true;
    }

    incr(key: string, callback: Parameters<FastifyRateLimitStore['incr']>[1], windowMs: number): void {
      counters
        .increment(key, windowMs)
        .catch((error: unknown) => {
          if (this.#mayFail) throw error;
          return counters.incrementLocally(key, windowMs);
        })
        .then((count) => callback(null, count))
        .catch(callback);
    }

    child(options: object): Store {
      return new Store(options);
    }
  };
}
