import { Type } from '@sinclair/typebox';
import { type AdminAct, audit } from '../audit.js';
import { addJob, type Job, type JobKind, job } from '../jobs/job.js';
import { correct } from '../ledger/correction.js';
import type { Queryable } from '../postgres/database.js';
import { spanOf } from '../span.js';
import { withIds } from '../stored-ids.js';
import {
  type ActOptions,
  addAct,
  countEvents,
  EVENTS_A_BITE,
  lockAct,
  SEARCH_MS,
  type SpanFilter,
  setProgress,
  tried,
} from './acts.js';
import { eventQuery, search } from './event-search.js';

const MassVoid = Type.Object({ act: Type.String() });
const MASS_VOID: JobKind<typeof MassVoid> = {
  name: 'void-events',
  payload: MassVoid,
  keyOf: ({ act }) => act,
};

/** SQL: what a void looks for among the events of its filter. */
export const NOT_VOIDED = "e.status <> 'voided'";

/**
 * Asks for a void, in a transaction with its line in the audit.
 * @param entry whose entry is deleted by it, if that is what it is for
 * @returns the id of the act
 */
export async function beginMassVoid(
  client: Queryable,
  filter: SpanFilter,
  act: AdminAct,
  entry?: { readonly userId: string; readonly details: object },
): Promise<string> {
  const id = await (entry === undefined
    ? audit(client, act, 'void-events', 'events', filter)
    : audit(client, act, 'delete-entry', entry.userId, entry.details));
  await addAct(client, id, { filter: { ...filter, amend: act.amend ?? false } });
  await addJob(client, MASS_VOID, { act: id });
  return id;
}

/**
 * Voids the events of an act, the newest first: what is left after each bite are scores that were there before, so that events
 * which balance each other can always be voided.
 */
export const massVoid = ({ leaderboards, writer }: ActOptions): Job =>
  job(MASS_VOID, async (client, payload) => {
    const act = await lockAct(client, payload.act);
    if (act?.state !== 'running') return {};
    const query = eventQuery(act.filter, spanOf(act.filter, null), NOT_VOIDED);
    const total = act.total ?? (act.behind === null ? await countEvents(client, query) : null);
    const { items, rest } = await search<{ userId: string }>(client, query, {
      columns: 'e.user_id AS "userId"',
      behind: act.behind,
      limit: EVENTS_A_BITE,
      ms: SEARCH_MS,
    });
    await client.query("SELECT set_config('enable_sort', 'on', true)");
    const correction = await tried(client, () =>
      correct(client, withIds(items, { id: 'evt', userId: 'usr' }), ['counted', 'held'], 'voided', writer, {
        id: payload.act,
        amend: act.filter.amend ?? false,
      }),
    );
    if (typeof correction === 'string') {
      await setProgress(
        client,
        act,
        { state: 'failed', voided: act.voided, total, problem: correction },
        rest,
      );
      return {};
    }
    const voided = act.voided + correction.events.length;
    const state = rest === null ? 'done' : 'running';
    await setProgress(client, act, { state, voided, total, problem: null }, rest);
    return {
      ...(rest !== null && { rest: payload }),
      committed: () => leaderboards.apply(correction.changeId, correction.entries),
    };
  });
