import { Type } from '@sinclair/typebox';
import type { AuditEntry } from '../../schemas/moderation.js';
import { type AdminAct, audit } from '../audit.js';
import { addJob, type Job, type JobKind, job } from '../jobs/job.js';
import { takeBack } from '../ledger/correction.js';
import type { Queryable } from '../postgres/database.js';
import { spanOf } from '../span.js';
import { toUuid, withIds } from '../stored-ids.js';
import {
  type ActOptions,
  addAct,
  EVENTS_A_BITE,
  type LockedAct,
  lockAct,
  SEARCH_MS,
  setProgress,
  stopAct,
  tried,
} from './acts.js';
import { eventQuery, search } from './event-search.js';

const Unvoid = Type.Object({ act: Type.String() });
const UNVOID: JobKind<typeof Unvoid> = { name: 'unvoid-events', payload: Unvoid, keyOf: ({ act }) => act };

/** What could not be taken back, may be tried again. */
const GIVE_UP = 'UPDATE admin_audit SET undoes = NULL WHERE id = $1';

/**
 * Asks for the undo of a void, in a transaction with its line in the audit. A void that is still at work ends where it is.
 * @param undone the act, whose row is locked
 * @returns the id of the undo
 */
export async function beginUnvoid(
  client: Queryable,
  undone: LockedAct,
  action: AuditEntry['action'],
  target: string,
  act: AdminAct,
): Promise<string> {
  const id = await audit(client, { ...act, undoes: undone.id }, action, target);
  if (undone.state === 'running') await stopAct(client, undone, 'act-undone');
  const filter = { ...undone.filter, amend: act.amend ?? false };
  await addAct(client, id, { filter, total: undone.voided, undoes: undone.id });
  await addJob(client, UNVOID, { act: id });
  return id;
}

/**
 * Gives back the events that a void has voided: those that name its line in the audit, and no others. An event that was given
 * back names it no more, so that each is given back once, wherever a bite was cut off.
 */
export const unvoid = ({ leaderboards, writer }: ActOptions): Job =>
  job(UNVOID, async (client, payload) => {
    const act = await lockAct(client, payload.act);
    if (act?.state !== 'running' || act.undoes === null) return {};
    const { filter, undoes, voided, total } = act;
    const own = `e.voided_by = '${toUuid('aud', undoes)}'`;
    const query = eventQuery({ ...filter, status: 'voided' }, spanOf(filter, null), own);
    const { items, rest } = await search<{ userId: string }>(client, query, {
      columns: 'e.user_id AS "userId"',
      behind: act.behind,
      limit: EVENTS_A_BITE,
      ms: SEARCH_MS,
    });
    await client.query("SELECT set_config('enable_sort', 'on', true)");
    const correction = await tried(client, () =>
      takeBack(client, withIds(items, { id: 'evt', userId: 'usr' }), undoes, writer, filter.amend ?? false),
    );
    if (typeof correction === 'string') {
      await setProgress(client, act, { state: 'failed', voided, total, problem: correction }, rest);
      await client.query(GIVE_UP, [toUuid('aud', act.id)]);
      return {};
    }
    const given = voided + correction.events.length;
    const state = rest === null ? 'done' : 'running';
    await setProgress(client, act, { state, voided: given, total, problem: null }, rest);
    return {
      ...(rest !== null && { rest: payload }),
      committed: () => leaderboards.apply(correction.changeId, correction.entries),
    };
  });
