import { Type } from '@sinclair/typebox';
import type { Act } from '../../schemas/moderation.js';
import { type AdminAct, audit } from '../audit.js';
import type { Position } from '../cursor.js';
import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import { addJob, type Job, type JobKind, job } from '../jobs/job.js';
import type { BoardChange } from '../leaderboard/entry.js';
import { isOutOfRange } from '../ledger/batch-queue.js';
import { correct } from '../ledger/correction.js';
import type { Queryable } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { spanOf } from '../span.js';
import { toUuid, withIds } from '../stored-ids.js';
import { countOf, type EventFilter, type EventQuery, eventQuery, search } from './event-search.js';

/** How many events one bite voids: it holds the rows of their users meanwhile. */
const EVENTS_A_BITE = 1_000;
/** How long a bite looks for them, in milliseconds. */
const SEARCH_MS = 2_000;
/** How long the events may be counted, in milliseconds. Without their number the void goes on all the same. */
const COUNTING_MS = 4_000;

const MassVoid = Type.Object({ act: Type.String() });
const MASS_VOID: JobKind<typeof MassVoid> = {
  name: 'void-events',
  payload: MassVoid,
  keyOf: ({ act }) => act,
};

export type SpanFilter = EventFilter & { readonly from: string; readonly to: string };
/** What is kept of an act until it is done. */
type KeptFilter = SpanFilter & { readonly amend?: boolean };

const PROGRESS = 'id, state, voided, total, problem';
const ACT = `
SELECT ${PROGRESS}, filter, CASE WHEN behind IS NOT NULL THEN json_build_object('at', ${milliseconds('behind_at')}, 'id', behind) END AS behind
FROM admin_acts WHERE id = $1 FOR UPDATE`;
const SET_PROGRESS = `
UPDATE admin_acts SET state = $2, voided = $3, total = $4, problem = $5, behind = $6, behind_at = ${timestampAt('$7::float8')}
WHERE id = $1`;

interface Row extends Act {
  readonly filter: KeptFilter;
  /** Where it has come to; null at the beginning. */
  readonly behind: Position | null;
}

/** Asks for a void, in a transaction with its line in the audit. @returns the id of the act */
export async function beginMassVoid(client: Queryable, filter: SpanFilter, act: AdminAct): Promise<string> {
  const id = await audit(client, act, 'void-events', 'events', filter);
  await client.query('INSERT INTO admin_acts (id, filter) VALUES ($1, $2)', [
    toUuid('aud', id),
    JSON.stringify({ ...filter, amend: act.amend ?? false } satisfies KeptFilter),
  ]);
  await addJob(client, MASS_VOID, { act: id });
  return id;
}

/** How far an act has come. @throws Problem `not-found` if there is no such act, or it was done at once */
export async function progressOf(client: Queryable, id: string): Promise<Act> {
  const { rows } = await client.query<Act>(`SELECT ${PROGRESS} FROM admin_acts WHERE id = $1`, [
    toUuid('aud', id),
  ]);
  const [act] = withIds(rows, { id: 'aud' });
  if (act === undefined) throw new Problem('not-found', `There is no act "${id}" that takes its time.`);
  return act;
}

interface MassVoidOptions {
  /** Shows what is committed. */
  readonly leaderboards: { apply(changeId: string, changes: readonly BoardChange[]): Promise<void> };
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

/**
 * Voids the events of an act, the newest first: what is left after each bite are scores that were there before, so that events
 * which balance each other can always be voided. The act is locked by a bite, so that two are never at it.
 */
export const massVoid = ({ leaderboards, writer }: MassVoidOptions): Job =>
  job(MASS_VOID, async (client, payload) => {
    const { rows: acts } = await client.query<Row>(ACT, [toUuid('aud', payload.act)]);
    const [act] = acts;
    if (act?.state !== 'running') return {};
    const query = eventQuery(act.filter, spanOf(act.filter, null), "e.status <> 'voided'");
    const total = act.total ?? (act.behind === null ? await count(client, query) : null);
    const { items, rest } = await search<{ userId: string }>(client, query, {
      columns: 'e.user_id AS "userId"',
      behind: act.behind,
      limit: EVENTS_A_BITE,
      ms: SEARCH_MS,
    });
    const { at, id } = rest ?? {};
    await client.query("SELECT set_config('enable_sort', 'on', true)");
    const set = (state: Act['state'], voided: number, problem: string | null = null) =>
      client.query(SET_PROGRESS, [act.id, state, voided, total, problem, id, at]);
    const correction = await tried(client, () =>
      correct(client, withIds(items, { id: 'evt', userId: 'usr' }), ['counted', 'held'], 'voided', writer, {
        id: payload.act,
        amend: act.filter.amend ?? false,
      }),
    );
    if (typeof correction === 'string') {
      await set('failed', act.voided, correction);
      return {};
    }
    const isDone = rest === null;
    await set(isDone ? 'done' : 'running', act.voided + correction.events.length);
    return {
      ...(!isDone && { rest: payload }),
      committed: () => leaderboards.apply(correction.changeId, correction.entries),
    };
  });

/** What `work` does, or nothing of it and the code of a problem that it would have at every try. */
async function tried<T>(
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

async function count(client: Queryable, query: EventQuery): Promise<number | null> {
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
