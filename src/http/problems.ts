import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { errorCode } from '../error-code.js';
import { Problem, type ProblemCode, problemDocument } from '../errors.js';
import { isDatabaseUnavailable } from '../postgres/errors.js';

/** Faults that Fastify finds before a route does, by status. */
const CLIENT_FAULTS: Record<number, ProblemCode> = {
  400: 'malformed-json',
  403: 'not-found',
  404: 'not-found',
  405: 'method-not-allowed',
  413: 'payload-too-large',
  414: 'validation-failed',
  415: 'unsupported-media-type',
  431: 'validation-failed',
};

/** A body of 16 KiB can be wrong in thousands of places. */
const MAX_ERRORS = 20;

/** Turns whatever was thrown into a problem. What is not the caller's fault tells the caller nothing. */
export function asProblem(error: FastifyError | Error): Problem {
  if (error instanceof Problem) return error;
  if ('validation' in error && error.validation !== undefined) {
    const where = error.validationContext ?? 'request';
    const errors = error.validation
      .slice(0, MAX_ERRORS)
      .map(({ instancePath, message, params, keyword }) => ({
        path: `${where === 'body' ? '' : `/${where}`}${instancePath}` || '/',
        message:
          keyword === 'additionalProperties'
            ? `must not have the property "${String(params['additionalProperty'])}"`
            : (message ?? 'is wrong'),
      }));
    const [first] = errors;
    return new Problem(
      'validation-failed',
      first ? `${first.path} ${first.message}` : 'The request is not valid.',
      {
        errors,
      },
    );
  }
  if (errorCode(error) === 'FST_ERR_BAD_URL')
    return new Problem('validation-failed', error.message, { cause: error });
  // @fastify/static says this of a path that can name no file, such as one with a NUL.
  if (error.name === 'BadRequestError')
    return new Problem('not-found', 'There is no such file.', { cause: error });
  const code =
    'statusCode' in error && error.statusCode !== undefined ? CLIENT_FAULTS[error.statusCode] : undefined;
  if (code !== undefined) return new Problem(code, error.message, { cause: error });
  if (isDatabaseUnavailable(error)) {
    return new Problem('service-unavailable', 'The database does not respond. Try again.', {
      cause: error,
    });
  }
  return new Problem(
    'internal-error',
    'Report the request id to the operators of this service. Nothing was changed partially.',
    {
      cause: error,
    },
  );
}

/** What failed of many things that one request asks for. */
export const problemItem = (problem: Problem, { url, id }: FastifyRequest) => ({
  status: problem.statusCode,
  problem: problemDocument(problem, pathOf(url), id),
});

/** What has become of one of many things that a request asks for. */
export const valueOrProblem = <T>(outcome: PromiseSettledResult<T>): T | Problem =>
  outcome.status === 'fulfilled' ? outcome.value : asProblem(outcome.reason);

/** The problems among the results of what one request asks for, by their code: the first of each, and how many. */
export function problemsIn(results: readonly unknown[]): {
  readonly first: Problem;
  readonly count: number;
}[] {
  const byCode = new Map<ProblemCode, { first: Problem; count: number }>();
  for (const problem of results) {
    if (!(problem instanceof Problem)) continue;
    const known = byCode.get(problem.code);
    if (known === undefined) byCode.set(problem.code, { first: problem, count: 1 });
    else known.count++;
  }
  return [...byCode.values()];
}

/** Answers a request with a problem. */
export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { statusCode, allow, retryAfter } = problem;
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer');
  if (allow !== undefined) reply.header('allow', allow);
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  reply.problem = problem;
  return (
    reply
      .code(statusCode)
      // Without a route no hook has set it.
      .header('x-request-id', request.id)
      .type('application/problem+json')
      .send(problemDocument(problem, pathOf(request.url), request.id))
  );
}

const pathOf = (url: string): string => url.split('?')[0] ?? '/';
