import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type pg from 'pg';
import type { Queryable } from '../postgres/database.js';
import { JOBS_SCHEMA } from '../postgres/jobs-schema.js';

/** How long one bite may take, or one run of a job that waits for more than PostgreSQL. */
export const BITE_MS = 20_000;

/** What may be asked for as a job. Kept apart from the work, so that rules can ask for what others do. */
export interface JobKind<Payload extends TSchema> {
  readonly name: string;
  readonly payload: Payload;
  /** Names a piece of work among those of the kind. What is added later under the same key replaces what was added before. */
  keyOf(payload: Static<Payload>): string;
}

/** The payload of a job that there is one of. */
export const Nothing = Type.Object({});

/** What a bite of a job has left behind. */
export interface Bite<Payload> {
  /** What the next bite begins with; absent if the work is done. */
  readonly rest?: Payload;
  /** How long the rest can wait, in milliseconds. */
  readonly afterMs?: number;
  /** Shows what is committed. Its failure is reported, and the bite stays. */
  committed?(): Promise<void>;
}

/** A job as it is run: one bite, in a transaction. @throws Error also if the payload is none of the kind's */
export interface Job {
  readonly name: string;
  bite(client: Queryable, payload: unknown): Promise<Pick<Bite<unknown>, 'committed'>>;
}

/** A job that waits for more than PostgreSQL: it has transactions of its own, and none while it waits. */
export interface OutsideJob {
  readonly name: string;
  /**
   * @param stopping aborts when the process is about to end
   * @throws Error also if the payload is none of the kind's
   */
  run(pool: pg.Pool, payload: unknown, stopping: AbortSignal): Promise<void>;
}

const ADD = `
SELECT FROM ${JOBS_SCHEMA}.add_job($1, payload := $2::json, job_key := $3, job_key_mode := $4,
                                    run_at := now() + $5 * interval '1 millisecond')`;

/**
 * Asks for work that is done after the transaction of `client` has committed, and then also if instances are killed.
 * @param afterMs how long it can wait, in milliseconds
 */
export function addJob<P extends TSchema>(
  client: Queryable,
  kind: JobKind<P>,
  payload: Static<P>,
  afterMs = 0,
): Promise<unknown> {
  return client.query(ADD, [kind.name, JSON.stringify(payload), nameOf(kind, payload), 'replace', afterMs]);
}

/** Asks for work that goes on for ever, unless somebody has done so before. */
export function addStandingJob<P extends TSchema>(
  client: Queryable,
  kind: JobKind<P>,
  payload: Static<P>,
): Promise<unknown> {
  return client.query(ADD, [kind.name, JSON.stringify(payload), nameOf(kind, payload), 'preserve_run_at', 0]);
}

const nameOf = <P extends TSchema>(kind: JobKind<P>, payload: Static<P>): string =>
  `${kind.name}:${kind.keyOf(payload)}`;

/**
 * Work in bites. Each is one transaction that also asks for the next: a bite that is cut off leaves nothing behind, and one
 * that is committed is not lost. It may be run twice at a time, or again after its commit, so it must not count on what an
 * earlier bite has seen.
 */
export const job = <P extends TSchema>(
  kind: JobKind<P>,
  bite: (client: Queryable, payload: Static<P>) => Promise<Bite<Static<P>>>,
): Job => ({
  name: kind.name,
  async bite(client, payload) {
    const { rest, afterMs, ...then } = await bite(client, Value.Parse(kind.payload, payload));
    if (rest !== undefined) await addJob(client, kind, rest, afterMs);
    return then;
  },
});
