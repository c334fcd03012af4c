import type { Act } from '../../schemas/moderation.js';
import type { Position } from '../cursor.js';
import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import type { BoardChange } from '../leaderboard/entry.js';
import { isOutOfRange } from '../ledger/batch-queue.js';
import type { Queryable } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { toUuid, withIds } from '../stored-ids.js';
import { countOf, type EventFilter, type EventQuery } from './event-search.js';

/** How many events one bite judges: it holds the rows of their users meanwhile. */
export const EVENTS_A_BITE = 1_000;
/** How long a bite looks for them, in milliseconds. */
export const SEARCH_MS = 2_000;
/** How long the events may be counted, in milliseconds. Without their number the work goes on all the same. */
const COUNTING_MS = 4_000;

export type SpanFilter = EventFilter & { readonly from: string; readonly to: string };
/** What is kept of an act until it is done. */
export type KeptFilter = SpanFilter & { readonly amend?: boolean };

const PROGRESS = 'id, state, voided, total, problem, undoes';
const LOCK = `
SELECT ${PROGRESS}, filter, CASE WHEN behind IS NOT NULL THEN json_build_object('at', ${milliseconds('behind_at')}, 'id', behind) END AS behind
FROM admin_acts WHERE id = $1 FOR UPDATE`;
const SET_PROGRESS = `
UPDATE admin_acts SET state = $2, voided = $3, total = $4, problem = $5, behind = $6, behind_at = ${timestampAt('$7::float8')}
WHERE id = $1`;
const SET_STATE = 'UPDATE admin_acts SET state = $2, problem = $3 WHERE id = $1';

/** An act whose row is locked. */
export interface LockedAct extends Act {
  readonly filter: KeptFilter;
  /** Where it has come to; null at the beginning. */
  readonly behind: Position | null;
}

interface NewAct {
  readonly filter: KeptFilter;
  readonly total?: number;
  readonly undoes?: string;
}

/** What bites of acts need. */
export interface ActOptions {
  /** Shows what is committed. */
  readonly leaderboards: { apply(changeId: string, changes: readonly BoardChange[]): Promise<void> };
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

/** @param id that of its line in the audit */
export async function addAct(
  client: Queryable,
  id: string,
  { filter, total, undoes }: NewAct,
): Promise<void> {
  await client.query('INSERT INTO admin_acts (id, filter, total, undoes) VALUES ($1, $2, $3, $4)', [
    toUuid('aud', id),
    JSON.stringify(filter),
    total ?? null,
    undoes === undefined ? null : toUuid('aud', undoes),
  ]);
}

/** Locked by a bite, an act is never worked at twice at a time. Null if it takes no time. */
export async function lockAct(client: Queryable, id: string): Promise<LockedAct | null> {
  const { rows } = await client.query<LockedAct>(LOCK, [toUuid('aud', id)]);
  return withIds(rows, { id: 'aud', undoes: 'aud' })[0] ?? null;
}

export async function setProgress(
  client: Queryable,
  { id }: LockedAct,
  progress: Pick<Act, 'state' | 'voided' | 'total' | 'problem'>,
  behind: Position | null,
): Promise<void> {
  const { state, voided, total, problem } = progress;
  await client.query(SET_PROGRESS, [
    toUuid('aud', id),
    state,
    voided,
    total,
    problem,
    behind?.id,
    behind?.at,
  ]);
}

/** An act goes on no more: what it has done stays. */
export async function stopAct(client: Queryable, { id }: LockedAct, problem: Act['problem']): Promise<void> {
  await client.query(SET_STATE, [toUuid('aud', id), 'failed', problem]);
}

/** Of an act that was done at once too, if it undoes another. */
const ACT = `
SELECT ${PROGRESS} FROM admin_acts WHERE id = $1
UNION ALL
SELECT id, 'done', 0, NULL, NULL, undoes FROM admin_audit
WHERE id = $1 AND undoes IS NOT NULL AND NOT EXISTS (SELECT FROM admin_acts WHERE id = $1)`;

/** How far an act has come. @throws Problem `not-found` if there is no such act, or it was done at once */
export async function progressOf(client: Queryable, id: string): Promise<Act> {
  const { rows } = await client.query<Act>(ACT, [toUuid('aud', id)]);
  const [act] = withIds(rows, { id: 'aud', undoes: 'aud' });
  if (act === undefined) throw new Problem('not-found', `There is no act "${id}" that takes its time.`);
  return act;
}

/** What `work` does, or nothing of it and the code of a problem that it would have at every try. */
export async function tried<T>(
  client: Queryable,
  work: () => Promise<T>,
): Promise<T | 'points-out-of-range' | 'season-final'> {
  await client.query('SAVEPOINT tried');
  try {
    return await work();
  } catch (error) {
    const isFinal = error instanceof Problem && error.code === 'season-final';
    if (!isFinal && !isOutOfRange(error)) throw error;
    await client.query('ROLLBACK TO tried');
    return isFinal ? 'season-final' : 'points-out-of-range';
  }
}

/** How many events there are, or null if it takes too long to count them. */
export async function countEvents(client: Queryable, query: EventQuery): Promise<number | null> {
  await client.query('SAVEPOINT counting');
  try {
    await client.query(`SET LOCAL statement_timeout = ${COUNTING_MS}`);
    const { rows } = await client.query<{ total: number }>(countOf(query));
    return rows[0]?.total ?? null;
  } catch (error) {
    if (errorCode(error) !== SQLSTATE.queryCanceled) throw error;
    return null;
  } finally {
    // Also takes the limit back.
    await client.query('ROLLBACK TO counting');
  }
}
