import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE_ARGUMENTS } from './node-arguments.js';
import { newOutcome, type Outcome, outcomesOf } from './tap-outcome.js';

const FILE_RUNNER = join(import.meta.dirname, 'file-runner.js');
/** Tests set shorter limits of their own; this one is for a file that is stuck. */
const FILE_WITHIN_MS = 900_000;
const KILLED_AFTER_MS = 5_000;
/** A process that goes on after its files has something left open. */
const ENDS_WITHIN_MS = 60_000;

/** A process that runs files of tests, in a process group of its own, so that nothing of what they start outlives it. */
export class TestProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<(number | string | null)[]>;
  readonly #outcomes: AsyncGenerator<Outcome>;
  #errors = '';

  constructor(env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [...NODE_ARGUMENTS, FILE_RUNNER], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...env, TAP: '1' },
    });
    const { stdout, stderr } = this.#child;
    assert(stdout && stderr);
    this.#exited = once(this.#child, 'exit');
    // Its output ends only when whatever it has started ends as well.
    this.#child.once('exit', () => this.#kill('SIGKILL'));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.#outcomes = outcomesOf(stdout.setEncoding('utf8'));
  }

  /** Runs one file. When `signal` aborts, or the file is stuck, all that the process has started is stopped. */
  async run(path: string, signal: AbortSignal): Promise<Outcome> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(FILE_WITHIN_MS)]);
    const stop = async () => {
      this.#kill('SIGTERM');
      await sleep(KILLED_AFTER_MS, undefined, { ref: false });
      this.#kill('SIGKILL');
    };
    limit.addEventListener('abort', stop);
    if (limit.aborted) void stop();
    // If it cannot be sent, the process has ended, and so does its output.
    this.#child.send({ source: path, built: compiled(path) }, () => {});
    const { value } = await this.#outcomes.next();
    limit.removeEventListener('abort', stop);
    return value ?? newOutcome();
  }

  /** What was written to stderr since it was asked before. */
  takeErrors(): string {
    const errors = this.#errors;
    this.#errors = '';
    return errors;
  }

  /** Ends the process. @returns how it ended, if not as it should */
  async end(): Promise<string | undefined> {
    if (this.#child.connected) this.#child.disconnect();
    const limit = setTimeout(() => this.#kill('SIGKILL'), ENDS_WITHIN_MS);
    const late: string[] = [];
    for await (const { failures } of this.#outcomes) late.push(...failures);
    const [code, killedBy] = await this.#exited;
    clearTimeout(limit);
    if (late.length > 0) return late.join('\n');
    return killedBy ? `ended by ${killedBy}` : code === 0 ? undefined : `exit code ${code}`;
  }

  #kill(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  }
}

/** The built file of a source. */
const compiled = (path: string): string => `dist/${path.replace(/\.ts$/, '.js')}`;
