import { type Context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';

/** The stages of a score. Each begins where the one before it ends. */
export type Stage = 'verify' | 'batch' | 'commit' | 'project' | 'publish';

/** Scores that are written with one commit, each in a trace of its own. */
export interface Batch {
  /** The event id of its first score. */
  readonly id: string;
  readonly size: number;
}

/**
 * The spans of one request: one of the server, and one for each stage. No attribute holds a value that a caller could choose:
 * no path, no query, no header. Times are on the clock of `performance.now()`.
 */
export class RequestTrace {
  readonly #tracer: Tracer;
  readonly #server: Span;
  readonly #context: Context;
  /** The difference to the wall clock; one value for all spans, so that their order stays right. */
  readonly #epoch = Date.now() - performance.now();
  #stage: Span | undefined;

  /** @param route its pattern; undefined if there is none */
  constructor(tracer: Tracer, parent: Context, method: string, route: string | undefined) {
    this.#tracer = tracer;
    this.#server = tracer.startSpan(
      route === undefined ? method : `${method} ${route}`,
      {
        kind: SpanKind.SERVER,
        startTime: this.#time(performance.now()),
        attributes: { 'http.request.method': method, ...(route !== undefined && { 'http.route': route }) },
      },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#server);
  }

  /** @param batch the score belongs to it from this stage on */
  enter(stage: Stage, at = performance.now(), batch?: Batch): void {
    this.leave(at);
    const attributes = batch && { 'scoreboard.batch.id': batch.id, 'scoreboard.batch.size': batch.size };
    this.#stage = this.#tracer.startSpan(
      stage,
      { startTime: this.#time(at), ...(attributes && { attributes }) },
      this.#context,
    );
  }

  /** Ends the stage, if there is one. */
  leave(at = performance.now()): void {
    this.#stage?.end(this.#time(at));
    this.#stage = undefined;
  }

  /** Ends the stage as one that has failed. */
  fail(): void {
    this.#stage?.setStatus({ code: SpanStatusCode.ERROR });
    this.leave();
  }

  /**
   * Ends the span of the server; the score may still be on its way to the streams.
   * @param status undefined if the client left before there was an answer
   */
  end(status: number | undefined): void {
    if (status !== undefined) this.#server.setAttribute('http.response.status_code', status);
    if (status !== undefined && status >= 500) {
      this.#server.setAttribute('error.type', String(status));
      this.#server.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#server.end(this.#time(performance.now()));
  }

  #time(at: number): number {
    return this.#epoch + at;
  }
}
