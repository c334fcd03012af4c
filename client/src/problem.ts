import type { components } from './api.js';

type ProblemDocument = components['schemas']['Problem'];

/** The codes of the service's catalogue. */
export type ProblemCode = ProblemDocument['code'];

/**
 * What went wrong: a code of the service, or one of these:
 * - `unreachable`: no answer came, or none that the service would give; what was asked for may have happened
 * - `unexpected-answer`: something else than the service answered with a 4xx
 * - `queued`: the action is not counted yet; it is kept and will be sent
 * - `queue-full`: too many actions wait already; this one was not taken
 */
export type ErrorCode = ProblemCode | 'unreachable' | 'unexpected-answer' | 'queued' | 'queue-full';

/** Every failure of this package, told apart by `code`. `message` is English, for developers. */
export class ScoreboardError extends Error {
  override readonly name = 'ScoreboardError';
  readonly code: ErrorCode;
  /** Of the HTTP answer; 0 if there was none. */
  readonly status: number;
  /** To be named when asking the operators of the service. */
  readonly requestId: string | undefined;
  /** Seconds after which it makes sense to try again. */
  readonly retryAfter: number | undefined;
  /** With `validation-failed`: what is wrong, and where. */
  readonly errors: ProblemDocument['errors'];
  /** With `action-token-replayed`: what the token counted as. */
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
    return this.code === 'unreachable' || this.status === 429 || this.status >= 500;
  }
}

interface ProblemFields extends Partial<Pick<ProblemDocument, 'requestId' | 'errors' | 'original'>> {
  readonly status?: number;
  readonly retryAfter?: number;
}

/** The error that an answer tells; `body` is whatever came, perhaps from a proxy in between. */
export function problemOf({ status, headers }: Response, body: unknown): ScoreboardError {
  const retryAfter = Number(headers.get('retry-after')) || undefined;
  if (isProblem(body)) return new ScoreboardError(body.code, body.detail, { ...body, status, retryAfter });
  const code = status === 429 ? 'rate-limited' : status >= 500 ? 'service-unavailable' : 'unexpected-answer';
  return new ScoreboardError(code, `HTTP ${status}`, { status, retryAfter });
}

const isProblem = (body: unknown): body is ProblemDocument =>
  typeof body === 'object' && body !== null && 'code' in body && 'detail' in body;
