import type { FastifyServerOptions } from 'fastify';
import type { Config } from './config.js';

/** One JSON line an event, in the shape that the log queries of operators expect. */
export const loggerOptions = ({
  LOG_LEVEL,
  SERVICE_NAME,
}: Config): NonNullable<FastifyServerOptions['logger']> => ({
  level: LOG_LEVEL,
  messageKey: 'message',
  timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  base: { service: SERVICE_NAME },
  formatters: { level: (level) => ({ level }) },
});
