import { ref } from '../schemas/common.js';
import { OAuthProblem, PROBLEMS, type ProblemCode, ProblemDocument } from '../schemas/problem.js';

export { PROBLEMS, type ProblemCode };

/** What can be wrong with a body that nobody looks at. */
export const UNREAD_BODY_FAULTS = [
  'malformed-json',
  'payload-too-large',
  'unsupported-media-type',
] as const satisfies ProblemCode[];
/** What can be wrong with a body. */
export const BODY_FAULTS = ['validation-failed', ...UNREAD_BODY_FAULTS] as const satisfies ProblemCode[];

export interface ProblemExtras {
  /** What exactly is wrong with the request, for `validation-failed` and `schedule-invalid`. */
  errors?: { path: string; message: string }[];
  /** The event that a replayed token counted as, for its own user. */
  original?: { eventId: string; acceptedAt: string };
  /** The methods that a path has, for `method-not-allowed`. */
  allow?: string;
  /** Seconds after which it makes sense to try again. */
  retryAfter?: number;
  /** The status, where it is not the one that the code has elsewhere. */
  status?: number;
  cause?: unknown;
}

/** A failure that the caller may know. `detail` is sent to the caller, so it has no internals. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: ProblemExtras['errors'];
  readonly original: ProblemExtras['original'];
  readonly allow: string | undefined;
  readonly retryAfter: number | undefined;
  readonly statusCode: number;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause });
    this.code = code;
    this.errors = extras.errors;
    this.original = extras.original;
    this.allow = extras.allow;
    this.retryAfter = extras.retryAfter ?? (code === 'service-unavailable' ? 1 : undefined);
    this.statusCode = extras.status ?? PROBLEMS[code].status;
  }
}

/** Whether the caller could have done nothing about it. */
export const isOurFault = (error: unknown): boolean => !(error instanceof Problem) || error.statusCode >= 500;

/** Whether what was asked for does not exist. */
export const isNotFound = (error: unknown): boolean => error instanceof Problem && error.code === 'not-found';

/** A `validation-failed` for a rule that a schema cannot express. `path` is a JSON pointer into the body. */
export const invalid = (path: string, message: string): Problem =>
  new Problem('validation-failed', `${path} ${message}`, { errors: [{ path, message }] });

export const userBanned = (): Problem =>
  new Problem('user-banned', 'This user is banned: it may read, but not take part.');

/** What a caller sees of a problem. */
type Shown = Pick<Problem, 'code' | 'message' | 'statusCode'> & Partial<Pick<Problem, 'errors' | 'original'>>;

/** What a problem looks like on the wire. `instance` is the path without the query, which may hold anything. */
export function problemDocument(
  { code, message: detail, errors, original, statusCode: status }: Shown,
  instance: string,
  requestId: string,
): ProblemDocument {
  const { title } = PROBLEMS[code];
  return {
    type: `urn:scoreboard:problem:${code}`,
    title,
    status,
    detail,
    instance,
    code,
    requestId,
    ...(errors && { errors }),
    ...(original && { original }),
  };
}

/** A cursor of a season that is no longer the current one: of it there is no next page. */
export const SEASON_GONE = { code: 'season-changed', status: 410 } as const;

/** A code, or one with another status than elsewhere. */
type Failure = ProblemCode | { readonly code: ProblemCode; readonly status: number };

/** The responses of an operation that fails with these codes, for its schema: one a status. */
export const problemResponses = (...failures: Failure[]) => responses(failures, ProblemDocument);

/** The same where OAuth 2.0 says what an error response has. */
export const oauthProblemResponses = (...codes: ProblemCode[]) =>
  responses(codes, OAuthProblem, { error: 'invalid_request', error_description: '…' });

function responses(failures: Failure[], schema: typeof ProblemDocument | typeof OAuthProblem, more = {}) {
  const statuses = new Map<number, ProblemCode[]>();
  for (const failure of [...failures, 'rate-limited', 'internal-error', 'service-unavailable'] as const) {
    const { code, status } =
      typeof failure === 'string' ? { code: failure, status: PROBLEMS[failure].status } : failure;
    statuses.set(status, [...(statuses.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...statuses].map(([status, [first = 'internal-error', ...others]]) => [
      status,
      {
        description: [first, ...others].map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: ref(schema),
            example: {
              ...problemDocument(
                { code: first, message: PROBLEMS[first].title, statusCode: status },
                '/v1/…',
                REQUEST_ID,
              ),
              ...more,
            },
          },
        },
      },
    ]),
  );
}

const REQUEST_ID = '5e0bd1f6-52b5-4f3c-9f7a-6e2d3a9c1b10';
