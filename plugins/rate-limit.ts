import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';
import { networkOf } from '../src/http/network.js';
import { rateLimitStore } from '../src/http/rate-limit-store.js';
import { RateCounters } from '../src/redis/rate-counters.js';

/**
 * What a route counts against: `read` for each network, `auth` (logins and the like) for each network, `scores` for each
 * player (game servers are trusted), or `none` for what probes the service.
 */
type LimitName = 'read' | 'auth' | 'scores' | 'none';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `read` unless the route says otherwise. */
    limit?: LimitName;
  }
  interface FastifyRequest {
    /** Whether it was counted against a limit already. */
    counted: boolean;
  }
  interface FastifyInstance {
    rateCounters: RateCounters;
    /**
     * Counts a request, once: for `request.user` where that says who asks, else for the address.
     * @throws Problem `rate-limited`
     */
    countRequest(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  }
}

/**
 * How often somebody may ask. Every request is counted once, also one for an unknown route: by authenticate(), as soon as
 * it knows who asks or that nobody does, else before the body is read.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const counters = new RateCounters(config.REDIS_MODE === 'off' ? null : app.redis);
    const windowMs = config.RATE_LIMIT_WINDOW_MS;
    // Its own hook runs at one moment of a request: here its limiters are called when it is known who asks.
    await app.register(rateLimit, { global: false, timeWindow: windowMs, store: rateLimitStore(counters) });
    const byNetwork = (name: LimitName) => (request: FastifyRequest) => `${name}:${networkOf(request.ip)}`;
    const limiters = {
      // Reads go on uncounted while Redis is away. The other limits hold, in each process for itself.
      read: app.createRateLimit({
        max: config.RATE_LIMIT_READ,
        keyGenerator: byNetwork('read'),
        skipOnError: true,
      }),
      auth: app.createRateLimit({ max: config.RATE_LIMIT_AUTH, keyGenerator: byNetwork('auth') }),
      scores: app.createRateLimit({
        max: config.RATE_LIMIT_SCORE_UPDATE,
        keyGenerator: (request) => `scores:${request.user.id}`,
      }),
    };

    app.decorateRequest('counted', false);
    app.decorate('rateCounters', counters);
    app.decorate('countRequest', async (request: FastifyRequest, reply: FastifyReply) => {
      const { limit = 'read' } = request.routeOptions.config;
      // Set where authenticate() was before.
      const user: FastifyRequest['user'] | undefined = request.user;
      if (request.counted || limit === 'none' || user?.role === 'server') return;
      request.counted = true;
      // A score that names no player is no score, but a request like any other.
      const name = limit === 'scores' && !user ? 'read' : limit;
      const verdict = await limiters[name](request);
      // Without a time to wait for, nothing was counted.
      if (verdict.isAllowed || verdict.ttl === 0) return;
      const { max, remaining, isExceeded } = verdict;
      const reset = Math.max(1, verdict.ttlInSeconds);
      reply.headers({
        'x-ratelimit-limit': max,
        'x-ratelimit-remaining': remaining,
        'x-ratelimit-reset': reset,
      });
      if (!isExceeded) return;
      throw new Problem(
        'rate-limited',
        `Only ${max} of these are allowed in a while. Try again in ${reset} s.`,
        { retryAfter: reset },
      );
    });
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (request.counted) done(null, payload);
      else app.countRequest(request, reply).then(() => done(null, payload), done);
    });
  },
  { name: 'rate-limit', dependencies: ['problem-details', 'redis'], fastify: '5.x' },
);
