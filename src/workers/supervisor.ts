import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ENDING_SIGNALS } from '../ending-signals.js';
import { Backoff } from '../loop.js';
import { type Answers, Calls } from './calls.js';
import { addEnded, isMetricsReport, type MetricsReport } from './metrics-of-all.js';
import type { Counted } from './shared-state.js';

/** A worker accepts requests. `listening` of node:cluster would also come for any other port that it opens. */
const READY = 'accepts requests';
/** A worker that has run for so long is replaced at once when it ends, in milliseconds. */
const STEADY_MS = 60_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 10_000;

interface SupervisorOptions {
  readonly workers: number;
  readonly counted: Counted;
  /** How long workers may take to close before they are killed, in milliseconds. */
  readonly closeWithinMs: number;
  /** All workers listen, at this port. */
  readonly onReady: (port: number) => void;
  readonly log: Logger;
}

interface Known {
  readonly calls: Calls;
  /** How many slots it holds, by address. */
  readonly slots: Map<string, number>;
  metrics: MetricsReport;
}

/**
 * Runs a service as several processes that share a port. The supervisor takes no requests: it keeps what the workers have in
 * common, replaces a worker that ends, and closes all of them.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Map<Worker, Known>();
  /** What workers that have ended had counted, as far as it was read. */
  #ended: Promise<MetricsReport> = Promise.resolve([]);
  readonly #ready = new Set<Worker>();
  /** Whether all have accepted requests. */
  #isReady = false;
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts the workers. The first goes ahead, because it migrates the database, and says what is wrong if none can start.
   * @returns the exit code, once all have ended
   */
  async run(): Promise<number> {
    const first = this.#fork();
    const isReady = once(first, READY).then(() => true);
    if (!(await Promise.race([isReady, once(first, 'exit').then(() => false)]))) return this.#exitCode(first);
    // It closes, and there is nothing to add to it.
    if (this.#isStopping) return this.#keepOne(first);
    const others = Array.from({ length: this.#options.workers - 1 }, () => this.#keepOne(undefined));
    const codes = await Promise.all([this.#keepOne(first), ...others]);
    return Math.max(...codes);
  }

  /** Closes all workers. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const worker of this.#workers.keys()) {
      this.#close(worker);
      setTimeout(() => worker.process.kill('SIGKILL'), this.#options.closeWithinMs).unref();
    }
  }

  #close(worker: Worker): void {
    const calls = this.#workers.get(worker)?.calls;
    calls?.call('stop').catch(() => {}); // It may end before it answers.
  }

  /** Replaces a worker whenever it ends. @returns the exit code of the last */
  async #keepOne(started: Worker | undefined): Promise<number> {
    const backoff = new Backoff(FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS);
    let worker = started;
    for (;;) {
      worker ??= this.#fork();
      const since = performance.now();
      if (!worker.isDead()) await once(worker, 'exit');
      if (this.#isStopping) return this.#exitCode(worker);
      const { pid, exitCode: code, signalCode: signal } = worker.process;
      this.#options.log.error({ data: { pid, code, signal } }, 'Worker ended: replaced');
      if (performance.now() - since > STEADY_MS) backoff.reset();
      worker = undefined;
      await delay(backoff.next());
      if (this.#isStopping) return 0;
    }
  }

  /** Of a worker that has ended. */
  #exitCode({ process: { exitCode, signalCode } }: Worker): number {
    // A worker that is still loading does not catch the signal that a terminal has sent to it as well.
    const isAsked = this.#isStopping && ENDING_SIGNALS.some((signal) => signal === signalCode);
    return isAsked ? 0 : (exitCode ?? 1);
  }

  #fork(): Worker {
    const worker = cluster.fork();
    const slots = new Map<string, number>();
    // A worker may end before it is known to: what cannot be sent to it is lost, as `exit` ends its calls.
    const calls = new Calls((message) => worker.send(message, () => {}), this.#answers(worker, slots));
    worker.on('message', (message) => calls.receive(message));
    const known: Known = { calls, slots, metrics: [] };
    this.#workers.set(worker, known);
    worker.once('exit', () => {
      this.#workers.delete(worker);
      this.#ready.delete(worker);
      calls.close();
      for (const [address, held] of slots)
        for (let n = 0; n < held; n++) this.#options.counted.slots.release(address);
      this.#ended = this.#ended.then((ended) => addEnded(ended, known.metrics));
    });
    return worker;
  }

  /** @param held how many slots the worker holds, by address */
  #answers(worker: Worker, held: Map<string, number>): Answers {
    const { counters, tries, slots } = this.#options.counted;
    return {
      count: ([key, windowMs]) => counters.increment(String(key), Number(windowMs)),
      'begin-login': ([account, fromNetwork]) => tries.begin(String(account), String(fromNetwork)),
      'login-succeeded': ([account, fromNetwork]) => tries.succeeded(String(account), String(fromNetwork)),
      'take-slot': ([address]) => {
        const isTaken = slots.take(String(address));
        if (isTaken) held.set(String(address), (held.get(String(address)) ?? 0) + 1);
        return isTaken;
      },
      'release-slot': ([address]) => {
        const left = (held.get(String(address)) ?? 0) - 1;
        if (left > 0) held.set(String(address), left);
        else held.delete(String(address));
        if (left >= 0) slots.release(String(address));
      },
      // What was sent to it before is lost.
      loaded: () => {
        if (this.#isStopping) this.#close(worker);
      },
      reports: ([kind]) => this.#reports(kind),
      ready: ([port]) => {
        worker.emit(READY);
        this.#ready.add(worker);
        if (this.#isReady || this.#ready.size < this.#options.workers) return;
        this.#isReady = true;
        this.#options.onReady(Number(port));
      },
    };
  }

  /** Of those that accept requests: another could not answer yet, and nobody depends on it. */
  async #reports(kind: unknown): Promise<unknown[]> {
    const reports = await Promise.all(
      [...this.#workers].map(async ([worker, known]) => {
        if (!this.#ready.has(worker)) return null;
        const report = await known.calls.call('report', kind);
        if (kind === 'metrics' && isMetricsReport(report)) known.metrics = report;
        return report;
      }),
    );
    return kind === 'metrics' ? [...reports, await this.#ended] : reports;
  }
}
