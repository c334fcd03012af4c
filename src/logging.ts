import type { FastifyServerOptions } from 'fastify';
import type { Config } from './config.js';
import { errorCode } from './database.js';

/** One JSON line an event, in the shape that the log queries of operators expect. */
export const loggerOptions = ({
  LOG_LEVEL,
  SERVICE_NAME,
}: Config): NonNullable<FastifyServerOptions['logger']> => ({
  level: LOG_LEVEL,
  messageKey: 'message',
  timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  base: { service: SERVICE_NAME },
  serializers: { err: serializeError },
  formatters: { level: (level) => ({ level }) },
});

/** Not all that hangs on an error: pg puts its whole client there. */
function serializeError(error: Error): {
  type: string;
  message: string;
  stack: string;
  [key: string]: unknown;
} {
  const { name: type, message, stack = '', cause } = error;
  return {
    type,
    message,
    code: errorCode(error),
    stack,
    ...(cause instanceof Error && { cause: serializeError(cause) }),
  };
}
