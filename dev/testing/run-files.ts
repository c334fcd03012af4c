import { availableParallelism } from 'node:os';
import { KINDS, type TestFile } from './kinds.js';
import { fail, type Outcome } from './tap-outcome.js';
import { TestProcess } from './test-process.js';

const kindNames = Object.keys(KINDS);

export interface FileResult extends Outcome {
  readonly path: string;
  readonly seconds: number;
  /** What was written to stderr meanwhile. */
  readonly errors: string;
}

export interface RunOptions {
  /** For the process of a file. */
  readonly envOf: (file: TestFile) => NodeJS.ProcessEnv;
  /** Ends the run: nothing is started any more, and what runs is stopped. */
  readonly signal: AbortSignal;
  readonly onResult: (result: FileResult) => void;
}

/** Runs as many files that compute as there are processors at a time, and beside them as many that wait. */
export async function runFiles(files: readonly TestFile[], options: RunOptions): Promise<void> {
  // Those that may share a process follow each other.
  const ordered = [...files].sort((a, b) => kindNames.indexOf(a.kind) - kindNames.indexOf(b.kind));
  const computing = ordered.filter(({ kind }) => !KINDS[kind].waits);
  const waiting = ordered.filter(({ kind }) => KINDS[kind].waits);
  const processors = availableParallelism();
  const workers = (count: number, ...queues: TestFile[][]) =>
    Array.from({ length: count }, () => runFrom(queues, options));
  await Promise.all([...workers(processors, waiting), ...workers(processors, computing, waiting)]);
}

/** Runs files from the queues, one after the other. Those that may share a process run in one. */
async function runFrom(
  queues: readonly TestFile[][],
  { envOf, signal, onResult }: RunOptions,
): Promise<void> {
  const next = () => (signal.aborted ? undefined : queues.find(({ length }) => length > 0)?.shift());
  let tests: TestProcess | undefined;
  for (let file = next(); file !== undefined; ) {
    const began = performance.now();
    tests ??= new TestProcess(envOf(file));
    const outcome = await tests.run(file.path, signal);
    const passes = outcome.failed === 0 && outcome.passed + outcome.skipped > 0;
    const following = next();
    const goesOn = passes && following?.kind === file.kind && KINDS[file.kind].sharesProcess;
    const fault = goesOn ? undefined : await tests.end();
    if (outcome.failed === 0 && (fault !== undefined || !passes))
      fail(fault ?? 'no tests', undefined, outcome);
    const errors = tests.takeErrors();
    if (!goesOn) tests = undefined;
    onResult({ path: file.path, seconds: (performance.now() - began) / 1_000, errors, ...outcome });
    file = following;
  }
}
