import { setTimeout as delay } from 'node:timers/promises';
import { type Static, Type } from '@sinclair/typebox';
import type { Queryable } from '../postgres/database.js';

/** How an import goes on: how many rows its next page may have, and how long it lets waiting scores go first, in milliseconds. */
export const Pace = Type.Object({ rows: Type.Integer({ minimum: 1 }), pauseMs: Type.Number() });
export type Pace = Static<typeof Pace>;

export const MOST_ROWS = 1_000;
const FEWEST_ROWS = 250;
/** Small, as it is not known yet how fast PostgreSQL is. */
export const FIRST_PACE: Pace = { rows: FEWEST_ROWS, pauseMs: 0 };
/** What the work of a page is to take, in milliseconds. */
const SHORTEST_MS = 500;
const LONGEST_MS = 1_000;
/** Twice the time after which a score looks again whether its user is free; see src/ledger/batch-queue.ts. */
const SHORTEST_PAUSE_MS = 100;
/** Long enough for ten looks. A longer one would make an import of players who score all the time take for ever. */
const LONGEST_PAUSE_MS = 500;

/** What a page has taken, in milliseconds. */
export interface Spent {
  /** Without the wait for its users, which does not depend on the rows. */
  readonly workMs: number;
  /** From the lock of the first user to the end; 0 if none was there before, and could score. */
  readonly heldMs: number;
}

export function paceAfter({ rows }: Pace, { workMs, heldMs }: Spent): Pace {
  return {
    rows:
      workMs > LONGEST_MS
        ? Math.max(rows >> 1, FEWEST_ROWS)
        : workMs < SHORTEST_MS
          ? Math.min(rows * 2, MOST_ROWS)
          : rows,
    pauseMs: heldMs === 0 ? 0 : Math.min(Math.max(heldMs, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS),
  };
}

/** One import counts at a time: in the pause of one, another would hold the same users. Any constant. */
const TURN_LOCK = 7_228_508;
const TAKE_TURN = 'SELECT pg_try_advisory_xact_lock($1) AS "isOurs"';

/**
 * Begins a page, before any user is locked. Scores do not wait in a queue for a user that is locked, they look again: pages of
 * the same users without a pause would keep them off until their time is over.
 * @returns whether it may go on: no other import counts
 */
export async function takeTurn(client: Queryable, { pauseMs }: Pace): Promise<boolean> {
  const { rows } = await client.query<{ isOurs: boolean }>(TAKE_TURN, [TURN_LOCK]);
  if (rows[0]?.isOurs !== true) return false;
  if (pauseMs > 0) await delay(pauseMs);
  return true;
}
