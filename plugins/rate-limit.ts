import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';
import { clientOf, networkOf } from '../src/http/network.js';
import { rateLimitStore } from '../src/http/rate-limit-store.js';
import { RateCounters } from '../src/redis/rate-counters.js';

/**
 * What a route counts against: `read` for each network, `auth` (logins and the like) for each network, `scores` for each
 * player (who may score for others is trusted), or `none` for what probes the service.
 */
type LimitName = 'read' | 'auth' | 'scores' | 'none';

/** A board of the past is allowed in place of so many reads. */
const READS_A_COMPUTATION = 20;

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
     * Counts a request, once: for `request.user` if the caller is known, otherwise for its network.
     * @throws Problem `rate-limited`
     */
    countRequest(request: FastifyRequest, reply: FastifyReply): Promise<void>;
    /**
     * Counts a request that computes a board of the past, which costs as much as many others, for its network.
     * @throws Problem `rate-limited`
     */
    countComputation(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  }
}

/**
 * Limits how often a caller may ask. Every request is counted once, also one for an unknown route: by authenticate(), as soon as
 * the caller is known or found to be unknown, otherwise before the body is read.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const counters = new RateCounters(config.REDIS_MODE === 'off' ? null : app.redis, app.shared.counters);
    const windowMs = config.RATE_LIMIT_WINDOW_MS;
    // Its own hook would count at one fixed moment; here its limiters are called as soon as the caller is known.
    await app.register(rateLimit, { global: false, timeWindow: windowMs, store: rateLimitStore(counters) });
    const byNetwork = (name: LimitName | 'computation') => (request: FastifyRequest) =>
      `${name}:${networkOf(clientOf(request))}`;
    const limiters = {
      // While Redis is away reads are not counted; each instance counts the others for itself.
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
      computations: app.createRateLimit({
        max: Math.ceil(config.RATE_LIMIT_READ / READS_A_COMPUTATION),
        keyGenerator: byNetwork('computation'),
      }),
    };
    /** @throws Problem `rate-limited` */
    const judge = (verdict: Awaited<ReturnType<typeof limiters.read>>, reply: FastifyReply): void => {
      // The ttl is 0 if nothing was counted.
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
        `Only ${max} of these requests are allowed in this period. Try again in ${reset} s.`,
        { retryAfter: reset },
      );
    };

    app.decorateRequest('counted', false);
    app.decorate('rateCounters', counters);
    app.decorate('countRequest', async (request: FastifyRequest, reply: FastifyReply) => {
      const { limit = 'read' } = request.routeOptions.config;
      // Undefined if authenticate() has not run.
      const user: FastifyRequest['user'] | undefined = request.user;
      if (request.counted || limit === 'none' || user?.scopes.includes('scores:write')) return;
      request.counted = true;
      // A score without a valid access token is counted like any other request.
      const name = limit === 'scores' && !user ? 'read' : limit;
      judge(await limiters[name](request), reply);
    });
    app.decorate('countComputation', async (request: FastifyRequest, reply: FastifyReply) => {
      judge(await limiters.computations(request), reply);
    });
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (request.counted) done(null, payload);
      else app.countRequest(request, reply).then(() => done(null, payload), done);
    });
  },
  { name: 'rate-limit', dependencies: ['problem-details', 'redis', 'shared-state'], fastify: '5.x' },
);
