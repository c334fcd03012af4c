import { ref } from '../schemas/common.js';
import { ProblemDocument } from '../schemas/problem.js';

/**
 * The catalogue of problems: every failure a caller can cause has one code, which is never reused.
 * Rendered as RFC 9457 problem documents by plugins/problem-details.ts.
 */
export const PROBLEMS = {
  'validation-failed': { status: 400, title: 'The request does not match the schema' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  unauthenticated: { status: 401, title: 'A valid access token is needed' },
  'invalid-credentials': { status: 401, title: 'The credentials are wrong' },
  'refresh-token-invalid': { status: 401, title: 'The refresh token is unknown or expired' },
  'refresh-token-reused': { status: 401, title: 'The refresh token was used before; its session is revoked' },
  forbidden: { status: 403, title: 'Your role does not allow this' },
  'action-token-invalid': { status: 403, title: 'The action token is not valid' },
  'action-token-expired': { status: 403, title: 'The action token has expired' },
  'action-token-premature': { status: 403, title: 'The action cannot be finished so soon' },
  'action-token-user-mismatch': { status: 403, title: 'The action token names another user' },
  'action-not-player-issuable': { status: 403, title: 'Only a game server may issue this action' },
  'user-banned': { status: 403, title: 'This user may read but not score' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'username-taken': { status: 409, title: 'The username is taken' },
  'leaderboard-in-use': { status: 409, title: 'The leaderboard has entries' },
  'action-token-replayed': { status: 409, title: 'The action token was used before' },
  'payload-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported' },
  'points-out-of-range': { status: 422, title: 'The points are not allowed' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'action-limit-reached': { status: 429, title: 'The limit of this action is reached' },
  'internal-error': { status: 500, title: 'Something went wrong on our side' },
  'service-unavailable': { status: 503, title: 'The service cannot answer just now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What can be wrong with a body that nobody looks at. */
export const UNREAD_BODY_FAULTS = [
  'malformed-json',
  'payload-too-large',
  'unsupported-media-type',
] as const satisfies ProblemCode[];
/** What can be wrong with a body. */
export const BODY_FAULTS = ['validation-failed', ...UNREAD_BODY_FAULTS] as const satisfies ProblemCode[];

export interface ProblemExtras {
  /** What exactly is wrong with the request, for `validation-failed`. */
  errors?: { path: string; message: string }[];
  /** The event that a replayed token counted as, for its own user. */
  original?: { eventId: string; acceptedAt: string };
  /** Seconds after which it makes sense to try again. */
  retryAfter?: number;
  cause?: unknown;
}

/** A failure that the caller is told about. `detail` goes to the caller: no internals in it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: ProblemExtras['errors'];
  readonly original: ProblemExtras['original'];
  readonly retryAfter: number | undefined;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause });
    this.code = code;
    this.errors = extras.errors;
    this.original = extras.original;
    this.retryAfter = extras.retryAfter ?? (code === 'service-unavailable' ? 1 : undefined);
  }

  get statusCode(): number {
    return PROBLEMS[this.code].status;
  }
}

/** A `validation-failed` for a rule that a schema cannot express. `path` is a JSON pointer into the body. */
export const invalid = (path: string, message: string): Problem =>
  new Problem('validation-failed', `${path} ${message}`, { errors: [{ path, message }] });

/** What a problem looks like on the wire. `instance` is the path without the query, which may hold anything. */
export function problemDocument(problem: Problem, instance: string, requestId: string): ProblemDocument {
  const { code, errors, original } = problem;
  const { status, title } = PROBLEMS[code];
  return {
    type: `urn:scoreboard:problem:${code}`,
    title,
    status,
    detail: problem.message,
    instance,
    code,
    requestId,
    ...(errors && { errors }),
    ...(original && { original }),
  };
}

/** The responses of an operation that fails with these codes, for its schema: one a status. */
export function problemResponses(...codes: ProblemCode[]) {
  const statuses = new Map<number, ProblemCode[]>();
  for (const code of [...codes, 'rate-limited', 'internal-error', 'service-unavailable'] as const) {
    const { status } = PROBLEMS[code];
    statuses.set(status, [...(statuses.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...statuses].map(([status, [first = 'internal-error', ...others]]) => [
      status,
      {
        description: [first, ...others].map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: ref(ProblemDocument),
            example: problemDocument(new Problem(first, PROBLEMS[first].title), '/v1/…', REQUEST_ID),
          },
        },
      },
    ]),
  );
}

const REQUEST_ID = '5e0bd1f6-52b5-4f3c-9f7a-6e2d3a9c1b10';
