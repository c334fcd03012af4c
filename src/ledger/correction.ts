import { announce } from '../changes/change.js';
import type { EntryChange } from '../leaderboard/leaderboards.js';
import type { Queryable } from '../postgres/database.js';
import {
  BOARDS_OF_EVENT,
  LOCK_BOARDS,
  LOCK_PLAYERS,
  RECOMPUTE,
  ROWS_PER_NOTIFICATION,
} from './statements.js';

type Status = 'counted' | 'held' | 'voided';

export interface Correction {
  /** The events that are otherwise now, and what they were. */
  readonly events: readonly { readonly id: string; readonly was: Status }[];
  /** What became of the boards: announced to the other instances, and to be applied here after the commit. */
  readonly entries: readonly EntryChange[];
}

/**
 * Gives events another status, and makes the scores what the ledger then says. To be called in a transaction, whose locks
 * it takes in the order of all who write scores: users, then boards.
 * @param from only events of these statuses are touched
 */
export async function correct(
  client: Queryable,
  events: readonly { readonly id: string; readonly userId: string }[],
  from: readonly Status[],
  to: Status,
  instance: string,
): Promise<Correction> {
  // Also of users who are erased: their events are marked, and their scores are gone.
  await client.query(LOCK_PLAYERS, [[...new Set(events.map(({ userId }) => userId))]]);
  const { rows: changed } = await client.query<{ id: string; was: Status }>(
    `WITH known AS (SELECT id, status AS was FROM score_events WHERE id = ANY ($1) AND status = ANY ($2) FOR UPDATE)
     UPDATE score_events e SET status = $3, boards = ${BOARDS_OF_EVENT('e')} FROM known WHERE e.id = known.id
     RETURNING e.id, known.was`,
    [events.map(({ id }) => id), from, to],
  );
  const scoring = changed.filter(({ was }) => was === 'counted' || to === 'counted').map(({ id }) => id);
  if (scoring.length === 0) return { events: changed, entries: [] };
  await client.query(LOCK_BOARDS, [scoring]);
  const { rows: entries } = await client.query<EntryChange>(RECOMPUTE, [scoring]);
  for (const [leaderboard, season, part] of notifications(entries)) {
    await announce(client, {
      type: 'scores',
      instance,
      leaderboard,
      season,
      entries: part.map(({ userId, score, achievedAt, version }) => [userId, score, achievedAt, version]),
    });
  }
  return { events: changed, entries };
}

function* notifications(
  entries: readonly EntryChange[],
): Generator<[leaderboard: string, season: number, part: readonly EntryChange[]]> {
  const boards = new Map<string, EntryChange[]>();
  for (const entry of entries) {
    const key = `${entry.leaderboardId} ${entry.season}`;
    boards.set(key, [...(boards.get(key) ?? []), entry]);
  }
  for (const board of boards.values()) {
    for (let start = 0; start < board.length; start += ROWS_PER_NOTIFICATION) {
      const part = board.slice(start, start + ROWS_PER_NOTIFICATION);
      const [first] = part;
      if (first !== undefined) yield [first.leaderboardId, first.season, part];
    }
  }
}
