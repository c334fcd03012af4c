import type { FastifyError } from 'fastify';
import fp from 'fastify-plugin';
import { isOurFault, type Problem } from '../src/errors.js';
import { asProblem, sendProblem } from '../src/http/problems.js';
import { isDatabaseError } from '../src/postgres/errors.js';

declare module 'fastify' {
  interface FastifyReply {
    /** What was answered, if it was a problem. */
    problem: Problem | null;
  }
}

/** Every failure is answered with a problem document (RFC 9457); those of ours are logged with their cause. */
export default fp(
  async (app) => {
    app.decorateReply('problem', null);
    app.setErrorHandler<FastifyError>((error, request, reply) => {
      const problem = asProblem(error);
      // A 5xx without a cause is a limit that did its work.
      if (isOurFault(problem) && problem.cause !== undefined) {
        if (isDatabaseError(problem.cause)) app.faults.database(problem.cause, 'answering a request');
        else request.log.error({ userId: request.user?.id, err: problem.cause }, 'Unhandled exception');
      }
      return sendProblem(problem, request, reply);
    });
  },
  { name: 'problem-details', dependencies: ['faults'], fastify: '5.x' },
);
