import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { type BoardChange, byBoard } from '../leaderboard/entry.js';
import type { Queryable } from '../postgres/database.js';
import { IN_ORDER_OF_INDEXES, LOCK_PLAYERS, PASS_FENCES, RECOMPUTE } from './statements.js';
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

/**
 * Gives events another status, and makes the scores what the ledger then says, also of frozen boards. To be called in a
 * transaction, whose locks it takes in the order of all who write scores: users, then fences.
 * @param from only events of these statuses are touched
 * @param writer names this instance in the announcement
 */
export async function correct(
  client: Queryable,
  events: readonly { readonly id: string; readonly userId: string }[],
  from: readonly Status[],
  to: Status,
  writer: string,
): Promise<Correction> {
  const changeId = newId('chg');
  // Also of users who are erased: their events are marked, and their scores are gone.
  await client.query(LOCK_PLAYERS, [[...new Set(events.map(({ userId }) => userId))]]);
  const { rows: changed } = await client.query<{ id: string; was: Status }>(
    `WITH known AS (SELECT id, status AS was FROM score_events WHERE id = ANY ($1) AND status = ANY ($2) FOR UPDATE)
     UPDATE score_events e SET status = $3 FROM known WHERE e.id = known.id RETURNING e.id, known.was`,
    [events.map(({ id }) => id), from, to],
  );
  const scoring = changed.filter(({ was }) => was === 'counted' || to === 'counted').map(({ id }) => id);
  if (scoring.length === 0) return { changeId, events: changed, entries: [] };
  await client.query(PASS_FENCES, [scoring]);
  await client.query(IN_ORDER_OF_INDEXES);
  const { rows } = await client.query<EntryRow>(RECOMPUTE, [scoring, to === 'counted' ? 1 : -1]);
  const entries = rows.map(boardChange);
  await announceEntries(client, changeId, writer, entries);
  return { changeId, events: changed, entries };
}

/** Announces what has become of entries. */
export async function announceEntries(
  client: Queryable,
  id: string,
  writer: string,
  changes: readonly BoardChange[],
): Promise<void> {
  const boards = byBoard(changes, ({ board }) => board);
  await announce(
    client,
    ...[...boards].map(([board, ofBoard]) => ({
      type: 'scores' as const,
      id,
      writer,
      board,
      entries: ofBoard.map(
        ({ userId, score, achievedAt, version }): EntryTuple => [userId, score, achievedAt, version],
      ),
    })),
  );
}

type EntryTuple = [userId: string, score: number | null, achievedAt: number, version: number];
