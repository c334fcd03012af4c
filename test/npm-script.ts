import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';

/** `npm <args>` in a folder, in a process group of its own. It ends with the test. */
export class NpmScript {
  /** What it has printed since `prints()` returned. */
  output = '';
  readonly #npm;
  readonly #closed: Promise<unknown>;

  constructor(t: Test, folder: string, ...args: string[]) {
    const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0' };
    this.#npm = spawn('npm', args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#npm.stdout, this.#npm.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#npm.emit('output');
      });
    // Not before the last process that it has started has ended: they share its output.
    this.#closed = once(this.#npm, 'close');
    t.teardown(() => this.end('SIGTERM'));
  }

  /** Waits until it has printed this. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    const ended = this.#closed.then(() => {
      throw new Error(`It ended without ${pattern}: ${this.output}`);
    });
    for (;;) {
      const match = pattern.exec(this.output);
      if (match === null) {
        await Promise.race([once(this.#npm, 'output'), ended]);
      } else {
        ended.catch(() => {});
        this.output = this.output.slice(match.index + match[0].length);
        return match;
      }
    }
  }

  /** Sends a signal to npm alone, or as Ctrl-C does to all of its processes, and waits for the end of the last one. */
  async end(signal: NodeJS.Signals, all = false): Promise<void> {
    const { pid } = this.#npm;
    if (all && pid !== undefined) process.kill(-pid, signal);
    else this.#npm.kill(signal);
    await this.#closed;
  }
}
