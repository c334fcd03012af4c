import type { components } from './api.js';

type ProblemDocument = components['schemas']['Problem'];

/** The codes of the service's catalogue. */
export type ProblemCode = ProblemDocument['code'];

/**
 * The kind of error: a code of the service, or one of these:
 * - `unreachable`: there was no response, or an invalid one; the request may have been processed
 * - `unexpected-answer`: a 4xx that is not from the service but, for example, from a proxy or a captive portal; it may pass
 * - `queued`: the outcome of the action is not known yet; it is stored, and this or another tab sends it
 * - `queue-full`: too many actions are waiting; this one was not accepted
 */
export type ErrorCode = ProblemCode | 'unreachable' | 'unexpected-answer' | 'queued' | 'queue-full';

/** Every error of this package, distinguished by `code`. `message` is English, for developers. */
export class ScoreboardError extends Error {
  override readonly name = 'ScoreboardError';
  readonly code: ErrorCode;
  /** Status of the HTTP response; 0 if there was none. */
  readonly status: number;
  /** Give it to the operators of the service when you report the error. */
  readonly requestId: string | undefined;
  /** Seconds to wait before a retry. */
  readonly retryAfter: number | undefined;
  /** With `validation-failed`: the errors and their paths. */
  readonly errors: ProblemDocument['errors'];
  /** With `action-token-replayed`: the event that the token counted as. */
  readonly original: ProblemDocument['original'];

  constructor(code: ErrorCode, message: string, more: ProblemFields = {}) {
    super(message);
    this.code = code;
    this.status = more.status ?? 0;
    this.requestId = more.requestId;
    this.retryAfter = more.retryAfter;
    this.errors = more.errors;
    this.original = more.original;
  }

  /** Whether the same request may succeed later. */
  get mayPass(): boolean {
    const isFromElsewhere = this.code === 'unreachable' || this.code === 'unexpected-answer';
    return isFromElsewhere || this.status === 429 || this.status >= 500;
  }
}

interface ProblemFields extends Partial<Pick<ProblemDocument, 'requestId' | 'errors' | 'original'>> {
  readonly status?: number;
  readonly retryAfter?: number;
}

/** Converts a response into an error; `body` may be from a proxy in between. */
export function problemOf({ status, headers }: Response, body: unknown): ScoreboardError {
  const retryAfter = Number(headers.get('retry-after')) || undefined;
  if (isProblem(body)) return new ScoreboardError(body.code, body.detail, { ...body, status, retryAfter });
  const code = status === 429 ? 'rate-limited' : status >= 500 ? 'service-unavailable' : 'unexpected-answer';
  return new ScoreboardError(code, `HTTP ${status}`, { status, retryAfter });
}

const isProblem = (body: unknown): body is ProblemDocument =>
  typeof body === 'object' && body !== null && 'code' in body && 'detail' in body;
