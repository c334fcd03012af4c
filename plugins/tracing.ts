import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import type { RequestTrace } from '../src/observability/request-trace.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where nothing is traced. */
    trace: RequestTrace | null;
  }
}

/** A trace of each request, for a collector if there is one; streams, which stay open, have none. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    app.decorateRequest('trace', null);
    const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, SERVICE_NAME: serviceName } = config;
    if (endpoint === undefined) return;
    const { Tracing } = await import('../src/observability/tracing.js');
    const tracing = new Tracing({
      endpoint,
      serviceName,
      onError: (error) => app.faults.tracing(error, 'sending traces'),
    });
    app.addHook('onRequest', (request, reply, done) => {
      const { url: route, config } = request.routeOptions;
      if (config?.isStream !== true) {
        const trace = tracing.request(request.method, route, request.headers['traceparent']);
        request.trace = trace;
        reply.raw.once('close', () => trace.end(reply.raw.headersSent ? reply.raw.statusCode : undefined));
      }
      done();
    });
    app.addHook('onClose', () => tracing.close());
  },
  { name: 'tracing', dependencies: ['faults'], fastify: '5.x' },
);
