import { announce } from '../changes/change.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import type { BoardChange } from '../leaderboard/entry.js';
import type { Queryable } from '../postgres/database.js';
import { openForCorrection, type SeasonOf } from '../seasons/corrections.js';
import { toUuid, toUuids, withIds } from '../stored-ids.js';
import { boardsOf } from './event-boards.js';
import {
  BOARDS_OF_EVENTS,
  IN_ORDER_OF_INDEXES,
  idParameters,
  LOCK_PLAYERS,
  PASS_FENCES,
  RECOMPUTE,
  THESE_EVENTS,
} from './statements.js';
import { boardChange, type EntryRow } from './withhold.js';

type Status = 'counted' | 'held' | 'voided';

export interface Correction {
  /** Names the change of the boards. */
  readonly changeId: string;
  /** The events that have another status now, and what they were. */
  readonly events: readonly { readonly id: string; readonly was: Status }[];
  /** What became of the boards: announced to the other instances, and to be applied here after the commit. */
  readonly entries: readonly BoardChange[];
}

/** What is corrected by: a line of the audit, and whether seasons that are final are corrected too. */
interface Act {
  readonly id: string;
  readonly amend: boolean;
}

/**
 * $1, $2 and $3 event ids, and the first and the last of them; $4 the statuses that are changed, $5 to which, $6 by which line of the
 * audit. What is being archived has its status for good.
 */
export const SET_STATUS = `
WITH known AS MATERIALIZED (
  SELECT e.id, e.status AS was FROM ${THESE_EVENTS}
  WHERE e.status = ANY ($4) AND e.id >= (SELECT closed_before FROM archive_progress WHERE only_row) FOR UPDATE OF e
)
UPDATE score_events e
SET status = $5, hold_ended_by = CASE WHEN known.was = 'held' THEN $6::uuid ELSE e.hold_ended_by END,
    voided_by = CASE WHEN $5 = 'voided' THEN $6::uuid END
FROM known WHERE e.id = known.id AND e.id BETWEEN $2 AND $3 RETURNING e.id, known.was`;
/** $1, $2 and $3 as above, $4 the line of the audit whose judgement ends: what it has voided, or released. */
const TAKE_BACK = `
WITH known AS MATERIALIZED (
  SELECT e.id, e.status AS was, coalesce(e.hold_ended_by = $4, false) AS was_held FROM ${THESE_EVENTS}
  WHERE (e.status = 'voided' AND e.voided_by = $4 OR e.status = 'counted' AND e.hold_ended_by = $4)
    AND e.id >= (SELECT closed_before FROM archive_progress WHERE only_row) FOR UPDATE OF e
)
UPDATE score_events e
SET status = CASE WHEN known.was_held THEN 'held' ELSE 'counted' END, voided_by = NULL,
    hold_ended_by = CASE WHEN NOT known.was_held THEN e.hold_ended_by END
FROM known WHERE e.id = known.id AND e.id BETWEEN $2 AND $3 RETURNING e.id, known.was, e.status`;
/** The operator of a board without entries may have changed while an event was held. The fences must be passed. */
export const SET_BEST = `
UPDATE score_events e SET best = NOT e.best FROM unnest($1::uuid[]) AS o (id)
WHERE e.id = o.id AND e.id BETWEEN $2 AND $3
  AND e.best <> EXISTS (SELECT FROM (${boardsOf('e')}) b WHERE b.operator = 'best')`;

/**
 * Gives events another status, and makes the scores what the ledger then says, also of frozen boards. To be called in a
 * transaction, whose locks it takes in the order of all who write scores: users, then fences.
 * @param from only events of these statuses are touched
 * @param writer names this instance in the announcement
 * @throws Problem `season-final` if one is, and is not to be
 */
export async function correct(
  client: Queryable,
  events: readonly { readonly id: string; readonly userId: string }[],
  from: readonly Status[],
  to: Status,
  writer: string,
  { id: act, amend }: Act,
): Promise<Correction> {
  const changeId = newId('chg');
  // Also of users who are erased: their events are marked, and their scores are gone.
  await client.query(LOCK_PLAYERS, [toUuids('usr', [...new Set(events.map(({ userId }) => userId))])]);
  const ids = events.map(({ id }) => id);
  const { rows } = await client.query<{ id: string; was: Status }>(SET_STATUS, [
    ...idParameters('evt', ids),
    from,
    to,
    toUuid('aud', act),
  ]);
  const changed = withIds(rows, { id: 'evt' });
  const scoring = changed.filter(({ was }) => was === 'counted' || to === 'counted').map(({ id }) => id);
  const entries = await recomputed(client, scoring, to === 'counted', changeId, writer, amend);
  return { changeId, events: changed, entries };
}

/**
 * Takes back what an act has decided about some events, of which those are left as they are that were decided about since: what it
 * has voided is as before, and what it has released is held again. As `correct`, also in what it throws.
 * @param undone a line of the audit
 */
export async function takeBack(
  client: Queryable,
  events: readonly { readonly id: string; readonly userId: string }[],
  undone: string,
  writer: string,
  amend: boolean,
): Promise<Correction> {
  const changeId = newId('chg');
  await client.query(LOCK_PLAYERS, [toUuids('usr', [...new Set(events.map(({ userId }) => userId))])]);
  const { rows } = await client.query<{ id: string; was: Status; status: Status }>(TAKE_BACK, [
    ...idParameters(
      'evt',
      events.map(({ id }) => id),
    ),
    toUuid('aud', undone),
  ]);
  const changed = withIds(rows, { id: 'evt' });
  const [back, held] = [
    changed.filter(({ status }) => status === 'counted').map(({ id }) => id),
    changed.filter(({ was }) => was === 'counted').map(({ id }) => id),
  ];
  const entries = [
    ...(await recomputed(client, back, true, changeId, writer, amend)),
    ...(await recomputed(client, held, false, changeId, writer, amend)),
  ];
  return { changeId, events: changed, entries };
}

/** What has become of the boards of some events, all of which count since just now, or all no more. @throws as `correct` */
async function recomputed(
  client: Queryable,
  ids: readonly string[],
  count: boolean,
  changeId: string,
  writer: string,
  amend: boolean,
): Promise<BoardChange[]> {
  if (ids.length === 0) return [];
  const those = idParameters('evt', ids);
  await client.query(PASS_FENCES, those);
  const [final] = await openForCorrection(client, BOARDS_OF_EVENTS, those, amend);
  if (final !== undefined) throw isFinal(final);
  if (count) await client.query(SET_BEST, those);
  await client.query(IN_ORDER_OF_INDEXES);
  const found = await client.query<EntryRow>(RECOMPUTE, [...those, count ? 1 : -1]);
  const entries = found.rows.map(boardChange);
  await announceEntries(client, changeId, writer, entries);
  return entries;
}

/** Announces what has become of entries, if of any. */
export async function announceEntries(
  client: Queryable,
  id: string,
  writer: string,
  changes: readonly BoardChange[],
): Promise<void> {
  if (changes.length === 0) return;
  await announce(client, {
    type: 'corrections',
    id,
    writer,
    entries: changes.map(({ userId, score, achievedAt, version, board }) => [
      userId,
      score,
      achievedAt,
      version,
      board.text,
    ]),
  });
}

const isFinal = ({ leaderboard, season }: SeasonOf): Problem =>
  new Problem(
    'season-final',
    `Season ${season} of "${leaderboard}" is final. With "amend": true its standings are corrected all the same.`,
  );
