import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { ACTION_TOKEN_SECRET, JWT_SECRET } from '../helper.js';

const SERVER = fileURLToPath(new URL('../../src/server.js', import.meta.url));

export interface Service {
  readonly url: string;
  readonly process: ChildProcess;
  /** Resolves to the exit code of the process, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** Starts the service as a process of its own on a free port. Resolves when it accepts requests. */
export async function startService(
  t: Test,
  databaseUrl: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<Service> {
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'fatal',
      DATABASE_URL: databaseUrl,
      JWT_SECRET,
      ACTION_TOKEN_SECRET,
      RATE_LIMIT_READ: '1000000',
      ...variables,
    },
  });
  const ended = once(child, 'exit').then(([code, signal]): number | NodeJS.Signals | null => signal ?? code);
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [port] = /(?<=http:\/\/localhost:)\d+/.exec(line) ?? [];
    if (port === undefined) continue;
    child.stdout.resume();
    return { url: `http://127.0.0.1:${port}`, process: child, ended };
  }
  throw new Error(`The service did not start: ${await ended}`);
}

/** The environment of a process that thinks it is so much later. */
export function clockOff(ms: number): NodeJS.ProcessEnv {
  const preload = `
    const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...of) { if (of.length === 0) super(Right.now() + ${ms}); else super(...of); }
      static now() { return Right.now() + ${ms}; }
    };
    Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + ${ms} });`;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(preload)}` };
}
