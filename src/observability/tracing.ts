import { type DiagLogFunction, DiagLogLevel, diag, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { loggingErrorHandler, parseTraceParent, setGlobalErrorHandler } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { withDeadline } from '../deadline.js';
import { RequestTrace } from './request-trace.js';

/** What is not with the collector by then is given up, in milliseconds. */
const FLUSH_WITHIN_MS = 2_000;

interface TracingOptions {
  /** Base URL of an OTLP collector. */
  readonly endpoint: string;
  readonly serviceName: string;
  /** The SDK could not do something, most likely reach the collector. */
  readonly onError: (error: unknown) => void;
}

/**
 * The official SDK, sending to a collector from a bounded queue behind everybody's back. To be imported only where there is
 * one: it costs memory and time to load. What else it can be told, it reads from `OTEL_*` variables by itself.
 */
export class Tracing {
  readonly #provider: BasicTracerProvider;
  readonly #onError: (error: unknown) => void;

  constructor({ endpoint, serviceName, onError }: TracingOptions) {
    this.#onError = onError;
    // There is no other way to receive these errors, and there is one handler of each in a process.
    setGlobalErrorHandler(onError);
    const warn: DiagLogFunction = (message) => onError(new Error(message));
    const ignore: DiagLogFunction = () => {};
    diag.setLogger(
      { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(detectResources({ detectors: [envDetector] }))
        .merge(resourceFromAttributes({ 'service.name': serviceName })),
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
  }

  /** @param traceparent as the caller has sent it: whatever is not a good one begins a new trace */
  request(method: string, route: string | undefined, traceparent: unknown): RequestTrace {
    const caller = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null;
    const parent =
      caller === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...caller, isRemote: true });
    return new RequestTrace(this.#provider.getTracer('scoreboard-api'), parent, method, route);
  }

  /** Sends what has ended so far, if that does not take long. */
  async close(): Promise<void> {
    try {
      await withDeadline(
        this.#provider.shutdown(),
        FLUSH_WITHIN_MS,
        `The collector has not taken the last spans within ${FLUSH_WITHIN_MS} ms`,
      );
    } catch (error) {
      this.#onError(error);
    } finally {
      diag.disable();
      setGlobalErrorHandler(loggingErrorHandler());
    }
  }
}
