import { EventEmitter } from 'node:events';
import {
  Logger,
  runTaskList,
  type TaskList,
  type WorkerEvents,
  type WorkerPoolOptions,
} from 'graphile-worker';
import type pg from 'pg';
import { withDeadline } from '../deadline.js';
import { Loop } from '../loop.js';
import { transact } from '../postgres/database.js';
import { JOBS_SCHEMA } from '../postgres/jobs-schema.js';
import { BITE_MS, type Job, type OutsideJob } from './job.js';

/** A new job is announced; this finds those whose time has come. */
const POLL_MS = 5_000;
/** A job that has been running for longer than any bite may was begun by a process that is dead. */
const DEAD_AFTER_MS = 1.5 * BITE_MS;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

const SETTLE_MS = 100;

/** $1 ids of workers. */
const GIVE_BACK = `SELECT FROM ${JOBS_SCHEMA}.force_unlock_workers($1::text[])`;
/** Gives back the jobs of dead processes, and makes all instances look for them. $1 a time in milliseconds. */
const REVIVE = `
SELECT ${JOBS_SCHEMA}.force_unlock_workers(array_agg(locked_by)), pg_notify('jobs:insert', '{"count":2}')
FROM ${JOBS_SCHEMA}.jobs WHERE locked_at < now() - $1 * interval '1 millisecond'
HAVING count(*) > 0`;
/** A bite that was committed has taken the key from its own job. If the process died just then, the job is still there. */
const FORGET = `
SELECT FROM ${JOBS_SCHEMA}.complete_jobs(ARRAY(
  SELECT id FROM ${JOBS_SCHEMA}.jobs WHERE key IS NULL AND locked_at IS NULL AND attempts >= max_attempts))`;

export const JOB_STATES = ['waiting', 'running', 'retrying', 'failed'] as const;
type JobState = (typeof JOB_STATES)[number];

const COUNT = `
SELECT task_identifier AS job, count(*) AS count,
       CASE WHEN locked_at IS NOT NULL THEN 'running' WHEN attempts >= max_attempts THEN 'failed'
            WHEN last_error IS NOT NULL THEN 'retrying' ELSE 'waiting' END AS state
FROM ${JOBS_SCHEMA}.jobs WHERE key IS NOT NULL
GROUP BY 1, 3`;

export interface JobCount {
  readonly job: string;
  readonly state: JobState;
  readonly count: number;
}

export interface JobRunnerOptions {
  /** Straight to PostgreSQL: a pooler would swallow what is listened for. One connection listens, and each bite has one. */
  readonly pool: pg.Pool;
  readonly jobs: readonly (Job | OutsideJob)[];
  /** How many are run at a time. */
  readonly atATime: number;
  /** Asks for the work that goes on for ever. */
  readonly addStanding: (pool: pg.Pool) => Promise<unknown>;
  /** A bite has failed, or the way to the jobs. Either is tried again. */
  readonly onError: (error: unknown, doing: string) => void;
  readonly onDetail: (message: string) => void;
}

/**
 * Runs jobs: this instance beside all others, each job on one of them. graphile-worker finds them, and tries those that fail
 * again, later each time, 25 times. After any trouble with its own queries it is stopped and started afresh: it would else
 * go on with what it failed to read.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #work: Loop;
  readonly #revival: Loop;
  /** The workers that this instance has stopped: they may not have been able to report what became of their jobs. */
  #previous: string | null = null;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    const retry = {
      firstBackoffMs: FIRST_RETRY_MS,
      maxBackoffMs: LAST_RETRY_MS,
      onError: (error: unknown) => options.onError(error, 'looking for jobs'),
    };
    this.#work = new Loop((signal) => this.#run(signal), retry);
    this.#revival = new Loop(() => this.revive(), { ...retry, everyMs: DEAD_AFTER_MS / 3 });
  }

  start(): void {
    this.#work.request();
    this.#revival.start(0);
  }

  /** Begins no further bite, and resolves when those under way are over. */
  async stop(): Promise<void> {
    await Promise.all([this.#work.stop(), this.#revival.stop()]);
  }

  /**
   * Gives back the jobs of processes that have died.
   * @param ms for how long these jobs have been running
   */
  async revive(ms = DEAD_AFTER_MS): Promise<void> {
    const { pool } = this.#options;
    await pool.query(REVIVE, [ms]);
    await pool.query(FORGET);
  }

  /** How many jobs there are, of all instances. */
  async counts(): Promise<JobCount[]> {
    return (await this.#options.pool.query<JobCount>(COUNT)).rows;
  }

  /** Resolves when the signal aborts. @throws Error if the workers have stopped before */
  async #run(signal: AbortSignal): Promise<void> {
    const { pool, addStanding } = this.#options;
    if (this.#previous !== null) await pool.query(GIVE_BACK, [[this.#previous]]);
    await addStanding(pool);
    if (signal.aborted) return;
    const events: WorkerEvents = new EventEmitter();
    const workers = runTaskList(this.#workerOptions(events), this.#tasks(signal), pool);
    this.#previous = workers.id;
    let isStopping = false;
    const stop = () => {
      if (isStopping) return;
      isStopping = true;
      // Its failure also rejects the promise of the workers.
      Promise.resolve(workers.gracefulShutdown()).catch(() => {});
    };
    let fault: unknown;
    events.on('worker:getJob:error', ({ error }) => {
      fault ??= error;
      // By then the query of the other worker has failed as well. A worker that is stopped before would write to the console.
      setTimeout(stop, SETTLE_MS);
    });
    signal.addEventListener('abort', stop);
    try {
      await workers.promise;
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (!signal.aborted) throw fault ?? new Error('The workers have stopped');
  }

  #workerOptions(events: WorkerEvents): WorkerPoolOptions {
    const { atATime, onError, onDetail } = this.#options;
    return {
      concurrency: atATime,
      events,
      logger: new Logger(() => (level, message, meta) => {
        if (`${level}` === 'error') onError(meta?.['error'] ?? new Error(message), 'running jobs');
        else onDetail(message);
      }),
      noHandleSignals: true,
      noPreparedStatements: true,
      pollInterval: POLL_MS,
      // Without a delay it would not wait for these queries, and their failure would end the process.
      preset: { worker: { schema: JOBS_SCHEMA, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    };
  }

  #tasks(stopping: AbortSignal): TaskList {
    const { pool, jobs } = this.#options;
    return Object.fromEntries(
      jobs.map((job) => [
        job.name,
        (payload: unknown) => ('run' in job ? job.run(pool, payload, stopping) : this.#bite(job, payload)),
      ]),
    );
  }

  async #bite({ name, bite }: Job, payload: unknown): Promise<void> {
    const { pool, onError } = this.#options;
    const late = `A bite of the job ${name} takes too long`;
    const { committed } = await transact(pool, (client) =>
      withDeadline(bite(client, payload), BITE_MS, late),
    );
    await committed?.().catch((error: unknown) => onError(error, `showing what ${name} has done`));
  }
}
