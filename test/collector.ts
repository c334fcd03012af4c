import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';

type Value = string | number | boolean;

/** What the official exporter posts, as far as it matters here. Times are nanoseconds in decimal. */
interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}
interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number };
}

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly isServer: boolean;
  /** Both in nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, Value | undefined>>;
  readonly failed: boolean;
  readonly service: Value | undefined;
}

const SERVER_KIND = 2;
const ERROR_STATUS = 2;

/** An OpenTelemetry collector, as far as traces by OTLP/HTTP in JSON go. */
export class Collector {
  readonly spans: CollectedSpan[] = [];
  /** What was posted, to the letter. */
  readonly bodies: string[] = [];
  readonly requests: { readonly url: string | undefined; readonly headers: IncomingHttpHeaders }[] = [];
  readonly url: string;

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
  }

  /** @param answers false if it takes everything and says nothing */
  static async start(t: Test, answers = true): Promise<Collector> {
    const server = createServer(async (request, response) => {
      const body = await text(request);
      collector.requests.push({ url: request.url, headers: request.headers });
      if (!answers) return;
      collector.#take(body);
      response.setHeader('content-type', 'application/json').end('{}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The collector has no port');
    const collector = new Collector(address.port);
    return collector;
  }

  /** The traces that a request of this route is in, by what they are made of. */
  traces(server: string): CollectedSpan[][] {
    return this.spans
      .filter(({ name }) => name === server)
      .map(({ traceId }) => this.spans.filter((span) => span.traceId === traceId));
  }

  #take(body: string): void {
    this.bodies.push(body);
    const { resourceSpans }: ExportRequest = JSON.parse(body);
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valuesOf(resource.attributes)['service.name'];
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId || undefined,
          name: span.name,
          isServer: span.kind === SERVER_KIND,
          start: BigInt(span.startTimeUnixNano),
          end: BigInt(span.endTimeUnixNano),
          attributes: valuesOf(span.attributes),
          failed: span.status.code === ERROR_STATUS,
          service,
        });
      }
    }
  }
}

const valuesOf = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
