import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { KINDS, type TestFile } from './kinds.js';
import { NODE_ARGUMENTS } from './node-arguments.js';
import { type Outcome, readTap } from './tap-outcome.js';

/** Tests set shorter limits of their own; this one is for a file that is stuck. */
const FILE_WITHIN_MS = 900_000;
/** How long a test that does not say otherwise may take. */
const TEST_WITHIN_S = 180;
const KILLED_AFTER_MS = 5_000;

export interface FileResult extends Outcome {
  readonly path: string;
  readonly seconds: number;
  /** What it wrote to stderr. */
  readonly errors: string;
}

export interface RunOptions {
  /** For the process of a file. */
  readonly envOf: (file: TestFile) => NodeJS.ProcessEnv;
  /** Ends the run: nothing is started any more, and what runs is stopped. */
  readonly signal: AbortSignal;
  readonly onResult: (result: FileResult) => void;
}

/**
 * Runs each file in a process of its own. As many files that compute as there are processors run at a time, and beside them
 * half as many that wait: with more, tests that measure waits would measure the machine.
 */
export async function runFiles(files: readonly TestFile[], options: RunOptions): Promise<void> {
  const computing = files.filter(({ kind }) => !KINDS[kind].waits);
  const waiting = files.filter(({ kind }) => KINDS[kind].waits);
  const work = async (...queues: TestFile[][]) => {
    while (!options.signal.aborted) {
      const file = queues.find(({ length }) => length > 0)?.shift();
      if (file === undefined) return;
      options.onResult(await runFile(file, options));
    }
  };
  const processors = availableParallelism();
  const workers = (count: number, ...queues: TestFile[][]) =>
    Array.from({ length: count }, () => work(...queues));
  await Promise.all([
    ...workers(Math.ceil(processors / 2), waiting),
    ...workers(processors, computing, waiting),
  ]);
}

/** Runs one file, in a process group of its own, so that nothing of it outlives it. */
async function runFile(file: TestFile, { envOf, signal }: RunOptions): Promise<FileResult> {
  const began = performance.now();
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, compiled(file.path)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...envOf(file), TAP: '1', TAP_TIMEOUT: String(TEST_WITHIN_S) },
  });
  const closed = once(child, 'close');
  // Its output ends only when whatever it has started ends as well.
  child.once('exit', () => killGroup(child.pid, 'SIGKILL'));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(FILE_WITHIN_MS)]);
  const stop = async () => {
    killGroup(child.pid, 'SIGTERM');
    await sleep(KILLED_AFTER_MS, undefined, { ref: false });
    killGroup(child.pid, 'SIGKILL');
  };
  limit.addEventListener('abort', stop);
  const outcome = await readTap(child.stdout.setEncoding('utf8'));
  const [code, killedBy]: (number | string | null)[] = await closed;
  limit.removeEventListener('abort', stop);
  const ranNothing = outcome.passed + outcome.failed + outcome.skipped === 0;
  if (outcome.failed === 0 && (code !== 0 || ranNothing)) {
    outcome.failed++;
    outcome.failures.push(killedBy ? `ended by ${killedBy}` : code === 0 ? 'no tests' : `exit code ${code}`);
  }
  return { path: file.path, seconds: (performance.now() - began) / 1_000, errors, ...outcome };
}

/** The built file of a source. */
export const compiled = (path: string): string => `dist/${path.replace(/\.ts$/, '.js')}`;

function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // Nobody is left in it.
  }
}
