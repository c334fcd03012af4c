import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import { instant } from '../clock.js';
import type { Config } from '../config.js';
import { errorCode } from '../error-code.js';

/**
 * The log of the service: one JSON line an event, `{timestamp, level, service, requestId?, userId?, message, data?}`, so that
 * the queries of operators find each thing in its one place. Source: the deployment specification, "Log Format".
 */
export function createLogger(
  { LOG_LEVEL, SERVICE_NAME }: Pick<Config, 'LOG_LEVEL' | 'SERVICE_NAME'>,
  stream: DestinationStream = standardOutput(),
): Logger {
  const options: LoggerOptions = {
    level: LOG_LEVEL,
    messageKey: 'message',
    timestamp: timestamps(),
    base: { service: SERVICE_NAME },
    formatters: { level: (level) => ({ level }), log: lineOf },
  };
  return pino(options, stream);
}

/** Characters after which lines are written before the turn has ended. */
const MOST_HELD = 65_536;

/** One for all loggers of the process. */
let output: DestinationStream | undefined;

/**
 * What is logged in one turn of the event loop goes out together at its end: a system call for each line would cost more
 * than all else about it. Nothing is held longer, also when the process exits.
 */
function standardOutput(): DestinationStream {
  if (output !== undefined) return output;
  const out = pino.destination({ sync: true });
  let held = '';
  const flush = () => {
    const lines = held;
    held = '';
    if (lines !== '') out.write(lines);
  };
  process.on('exit', flush);
  output = {
    write(line) {
      if (held === '') setImmediate(flush);
      held += line;
      if (held.length > MOST_HELD) flush();
    },
  };
  return output;
}

/** The time as a line has it; formatted once a millisecond, because many lines share it. */
function timestamps(): () => string {
  let last = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== last) text = `,"timestamp":"${instant(now)}"`;
    last = now;
    return text;
  };
}

/** Lines for people, where there is a terminal and pino-pretty (a development dependency) is installed. */
export async function terminalStream(): Promise<DestinationStream | undefined> {
  if (!process.stdout.isTTY) return undefined;
  try {
    const { default: pretty } = await import('pino-pretty');
    return pretty({
      messageKey: 'message',
      timestampKey: 'timestamp',
      translateTime: 'SYS:HH:MM:ss.l',
      ignore: 'service,requestId',
      singleLine: true,
      sync: true,
    });
  } catch (error) {
    if (errorCode(error) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Whatever somebody logs ends up in `data`; whole requests and responses, which libraries like to log, do not: they hold secrets. */
function lineOf(line: Record<string, unknown>): Record<string, unknown> {
  // As our own code logs: there is nothing to gather.
  if (
    Object.keys(line).every((key) => key === 'data' || key === 'userId') &&
    typeof line['data'] === 'object' &&
    line['data'] !== null
  )
    return line;
  const { userId, data, err, req: _req, res: _res, ...rest } = line;
  const all = {
    ...(typeof data === 'object' ? data : { data }),
    ...rest,
    ...(err !== undefined && { error: describeError(err) }),
  };
  return {
    ...(userId !== undefined && { userId }),
    ...(Object.values(all).some((value) => value !== undefined) && { data: all }),
  };
}

interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
  readonly cause?: ErrorDescription;
}

/** Not all that hangs on an error: pg puts its whole client there, ioredis the command with its arguments. */
function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error))
    return { type: typeof error, message: String(error), code: undefined, stack: undefined };
  const { name: type, message, stack, cause } = error;
  return {
    type,
    message,
    code: errorCode(error),
    stack,
    ...(cause instanceof Error && { cause: describeError(cause) }),
  };
}
