import fastifyMetrics from 'fastify-metrics';
import fp from 'fastify-plugin';
import client from 'prom-client';
import { MetricsText } from '../schemas/service.js';
import type { RequestLog } from '../src/http/request-log.js';
import { createMetrics, type Metrics } from '../src/observability/metrics.js';

declare module 'fastify' {
  interface FastifyInstance {
    measured: Metrics;
    /** Called before the metrics are read: the time to set gauges to what they are now. */
    onScrape(listener: () => void | Promise<void>): void;
  }
}

/** Its gauges are named like counters, which Prometheus' own linter objects to. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** What the service measures, at `/metrics`. fastify-metrics' own route metrics cannot be had without labels of its own. */
export default fp<{ requestLog: RequestLog }>(
  async (app, { requestLog }) => {
    // Of its own: several apps may live in one process.
    const register = new client.Registry();
    const listeners: (() => void | Promise<void>)[] = [];
    await app.register(fastifyMetrics.default, {
      promClient: { ...client, register },
      defaultMetrics: { enabled: true, register },
      routeMetrics: { enabled: false },
      endpoint: {
        url: '/metrics',
        method: 'GET',
        config: app.limits.none,
        preHandler: async () => {
          await Promise.all(listeners.map((listener) => listener()));
        },
        schema: {
          summary: 'What the service measures',
          description: 'For Prometheus, in its text format.',
          tags: ['Service'],
          security: [],
          response: {
            200: {
              description: 'All of it.',
              content: { 'text/plain': { schema: MetricsText, example: MetricsText.examples[0] } },
            },
          },
        },
        // fastify-metrics brings its own.
        handler: async () => '',
      },
    });
    for (const name of MISNAMED) register.removeSingleMetric(name);
    const measured = createMetrics(register);
    app.decorate('measured', measured);
    app.decorate('onScrape', (listener: () => void | Promise<void>) => listeners.push(listener));
    requestLog.onEnd(({ method, path, status, seconds, isStream }) => {
      measured.httpRequests.inc({ method, path, status });
      if (status === 429) measured.rateLimitHits.inc({ endpoint: path });
      if (!isStream) measured.httpDuration.observe({ method, path }, seconds);
    });
  },
  { name: 'metrics', dependencies: ['rate-limit', 'openapi'], fastify: '5.x' },
);
