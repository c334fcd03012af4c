import fastifyMetrics from 'fastify-metrics';
import fp from 'fastify-plugin';
import client from 'prom-client';
import type { RequestLog } from '../src/http/request-log.js';
import { createMetrics, type Metrics } from '../src/observability/metrics.js';
import { isMetricsReport, reportOf, textOf } from '../src/workers/metrics-of-all.js';

type ScrapeListener = () => void | Promise<void>;

declare module 'fastify' {
  interface FastifyInstance {
    measured: Metrics;
    /** Called before the metrics are read: the time to set gauges to what they are now. */
    onScrape(listener: ScrapeListener): void;
    /** All metrics in the text format of Prometheus, and its content type. */
    scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
  }
}

/** Its gauges are named like counters, which Prometheus' own linter objects to. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** The registry of what the service measures; it needs no other plugin, so that every plugin can measure. */
export default fp<{ requestLog: RequestLog }>(
  async (app, { requestLog }) => {
    // Not the global one: several apps may live in one process.
    const register = new client.Registry();
    const listeners: ScrapeListener[] = [];
    await app.register(fastifyMetrics.default, {
      promClient: { ...client, register },
      defaultMetrics: { enabled: true, register },
      // Their labels would be others than those of the deployment specification.
      routeMetrics: { enabled: false },
      // routes/metrics.ts answers instead, and sets the gauges first.
      endpoint: null,
    });
    for (const name of MISNAMED) register.removeSingleMetric(name);
    const measured = createMetrics(register);
    app.decorate('measured', measured);
    app.decorate('onScrape', (listener: ScrapeListener) => listeners.push(listener));
    const settle = () => Promise.all(listeners.map((listener) => listener()));
    app.shared.report('metrics', async () => {
      await settle();
      return reportOf(register);
    });
    app.decorate('scrape', async () => {
      const { contentType } = register;
      const reports = await app.shared.reports('metrics');
      if (reports !== null) return { contentType, text: await textOf(reports.filter(isMetricsReport)) };
      await settle();
      return { contentType, text: await register.metrics() };
    });
    requestLog.onEnd(({ method, path, status, seconds, isStream }) => {
      measured.httpRequests.inc({ method, path, status });
      if (status === 429) measured.rateLimitHits.inc({ endpoint: path });
      if (!isStream) measured.httpDuration.observe({ method, path }, seconds);
    });
  },
  { name: 'metrics', dependencies: ['shared-state'], fastify: '5.x' },
);
