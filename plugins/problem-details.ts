import type { FastifyError, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { isOurFault, type Problem } from '../src/errors.js';
import { asProblem, sendProblem } from '../src/http/problems.js';
import { isDatabaseError } from '../src/postgres/errors.js';

declare module 'fastify' {
  interface FastifyReply {
    /** What was answered, if it was a problem. */
    problem: Problem | null;
  }
  interface FastifyInstance {
    /** Logs what a request failed of if that is a fault of ours. A 5xx without a cause is a limit that did its work. */
    reportFault(problem: Problem, request: FastifyRequest): void;
  }
}

/** Every failure is answered with a problem document (RFC 9457); those of ours are logged with their cause. */
export default fp(
  async (app) => {
    app.decorateReply('problem', null);
    app.decorate('reportFault', (problem: Problem, { log, user }: FastifyRequest) => {
      if (!isOurFault(problem) || problem.cause === undefined) return;
      if (isDatabaseError(problem.cause)) app.faults.database(problem.cause, 'answering a request');
      else log.error({ userId: user?.id, err: problem.cause }, 'Unhandled exception');
    });
    app.setErrorHandler<FastifyError>((error, request, reply) => {
      const problem = asProblem(error);
      app.reportFault(problem, request);
      return sendProblem(problem, request, reply);
    });
  },
  { name: 'problem-details', dependencies: ['faults'], fastify: '5.x' },
);
