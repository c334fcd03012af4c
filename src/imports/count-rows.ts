import { Type } from '@sinclair/typebox';
import type { Import } from '../../schemas/import.js';
import { guestName } from '../access/display-name.js';
import { boardKey } from '../board-key.js';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { type Job, type JobKind, job } from '../jobs/job.js';
import type { Rules } from '../ledger/standing.js';
import { IN_ORDER_OF_INDEXES, RECOMPUTE } from '../ledger/statements.js';
import type { Queryable } from '../postgres/database.js';
import { toUuid, toUuids } from '../stored-ids.js';
import { BOARD, countPage, judgePage, lockUsers, makeUsers, PASS_FENCE, pageOf } from './count-statements.js';
import { MAX_FAULTS } from './import-row.js';
import { FIRST_PACE, MOST_ROWS, Pace, paceAfter, takeTurn } from './pace.js';
import { dropTable, tableOf } from './staging.js';

/** Somebody else is at it: a command, or a process that is dead. */
const AGAIN_MS = 500;

const Counting = Type.Object({ id: Type.String(), pace: Type.Optional(Pace) });
export const COUNT_ROWS: JobKind<typeof Counting> = {
  name: 'count-rows',
  payload: Counting,
  keyOf: ({ id }) => id,
};

const IS_COUNTING = `SELECT FROM imports WHERE id = $1 AND state = 'counting'`;
const LOCK = `
SELECT leaderboard_id AS leaderboard, season, dry_run AS "dryRun", behind, counted, faults
FROM imports WHERE id = $1 AND state = 'counting' FOR UPDATE SKIP LOCKED`;
const ADVANCE = `
UPDATE imports SET behind = $2, judged = judged + $3, counted = counted + $4, known = known + $5, faulty = faulty + $6,
  new_users = new_users + $7, faults = $8, changed_at = now() WHERE id = $1`;
const END = 'UPDATE imports SET state = $2, problem = $3, ended_at = now(), changed_at = now() WHERE id = $1';

interface Locked extends Pick<Import, 'leaderboard' | 'season' | 'dryRun' | 'counted' | 'faults'> {
  readonly behind: number;
}
interface BoardRow extends Rules {
  readonly isFrozen: boolean;
  readonly isOver: boolean;
}
/** What has become of a page. */
interface Outcome {
  readonly counted: number;
  readonly faulty: number;
  readonly faults: readonly { readonly line: number; readonly code: keyof typeof MESSAGES }[] | null;
  readonly newUsers: number;
}

const MESSAGES = {
  'points-out-of-range': 'the score of the player would leave ±(2^53 − 1)',
  'user-banned': 'the player is banned',
  outdated: 'the player has a later score, and this board shows the latest',
} as const;

/** @param writer names this instance in what it announces to the others */
export const countRows = (writer: string): Job =>
  job(COUNT_ROWS, async (client, payload) => {
    const { id } = payload;
    const { state, pace } = await countNextPage(client, id, writer, payload.pace);
    if (state === 'over') return {};
    return { rest: { id, pace }, ...(state === 'locked' && { afterMs: AGAIN_MS }) };
  });

/**
 * Counts the next page of an import, in a transaction of the client. The import is locked by that, so that no page is counted by two. When
 * all are counted, the table of its rows is dropped, and boards are told, once.
 * @param pace as the page before has given it
 * @returns whether there may be more: `locked` if somebody else is at it, or another import
 */
export async function countNextPage(
  client: Queryable,
  id: string,
  writer: string,
  pace = FIRST_PACE,
): Promise<{ readonly state: 'more' | 'over' | 'locked'; readonly pace: Pace }> {
  const key = toUuid('imp', id);
  const { rows } = await client.query<Locked>(LOCK, [key]);
  const [found] = rows;
  if (found === undefined) {
    const isCounting = (await client.query(IS_COUNTING, [key])).rowCount === 1;
    return { state: isCounting ? 'locked' : 'over', pace };
  }
  if (!found.dryRun && !(await takeTurn(client, pace))) return { state: 'locked', pace };
  const table = tableOf(id);
  const end = async (problem: string | null) => {
    await client.query(END, [key, problem === null ? 'done' : 'failed', problem]);
    await dropTable(client, id);
    const board = boardKey(found.leaderboard, found.season).text;
    if (!found.dryRun) await announce(client, { type: 'imported', id: newId('chg'), writer, board });
    return { state: 'over', pace } as const;
  };
  // A dry run holds nobody.
  const limit = found.dryRun ? MOST_ROWS : pace.rows;
  const page = await client.query<{ through: number | null; rows: number }>(pageOf(table), [
    found.behind,
    limit,
  ]);
  const [{ through, rows: size } = { through: null, rows: 0 }] = page.rows;
  if (through === null) return end(null);
  const lines = [found.behind, through];
  const since = performance.now();
  const { newUsers, lockedAt, waitedMs } = found.dryRun
    ? { newUsers: 0, lockedAt: null, waitedMs: 0 }
    : await makeAndLockUsers(client, table, lines, size);
  await client.query(PASS_FENCE, [found.leaderboard]);
  const boards = await client.query<BoardRow>(BOARD, [found.leaderboard, found.season]);
  const [board] = boards.rows;
  const obstacle =
    board === undefined
      ? 'not-found'
      : board.isFrozen
        ? 'board-frozen'
        : board.isOver
          ? 'season-ended'
          : null;
  if (board === undefined || obstacle !== null) return end(obstacle);
  const of = [...lines, found.leaderboard, found.season];
  const outcome = found.dryRun
    ? await one<Outcome>(client, judgePage(table, board), of)
    : { ...(await count(client, table, board, of, size, key)), newUsers };
  const { counted, faulty } = outcome;
  const faults = (outcome.faults ?? []).map((fault) => ({ ...fault, message: MESSAGES[fault.code] }));
  await client.query(ADVANCE, [
    key,
    through,
    size,
    counted,
    size - counted - faulty,
    faulty,
    outcome.newUsers,
    JSON.stringify([...found.faults, ...faults].slice(0, MAX_FAULTS)),
  ]);
  if (size < limit) return end(null);
  const now = performance.now();
  const heldMs = lockedAt === null ? 0 : now - lockedAt;
  return { state: 'more', pace: paceAfter(pace, { workMs: now - since - waitedMs, heldMs }) };
}

async function makeAndLockUsers(
  client: Queryable,
  table: string,
  lines: number[],
  size: number,
): Promise<{ newUsers: number; lockedAt: number | null; waitedMs: number }> {
  const ids = Array.from({ length: size }, () => newId('usr'));
  const made = await client.query(makeUsers(table), [...lines, toUuids('usr', ids), ids.map(guestName)]);
  const lockedAt = performance.now();
  const locked = await client.query(lockUsers(table), lines);
  return {
    newUsers: made.rowCount ?? 0,
    lockedAt: locked.rowCount === 0 ? null : lockedAt,
    waitedMs: performance.now() - lockedAt,
  };
}

async function count(
  client: Queryable,
  table: string,
  rules: Rules,
  of: readonly unknown[],
  size: number,
  importKey: string | null,
): Promise<Omit<Outcome, 'newUsers'>> {
  const ids = Array.from({ length: size }, () => toUuid('evt', newId('evt')));
  const outcome = await one<Omit<Outcome, 'newUsers'> & { withoutUser: number; further: string[] | null }>(
    client,
    countPage(table, rules),
    [...of, ids, importKey],
  );
  // It was erased just now. The page is counted again, and makes another user.
  if (outcome.withoutUser > 0) throw new Error('A user was erased while its row was counted');
  const further = outcome.further?.sort() ?? [];
  if (further.length > 0) {
    await client.query(IN_ORDER_OF_INDEXES);
    await client.query(RECOMPUTE, [further, further[0], further.at(-1), 1]);
  }
  return outcome;
}

async function one<Row extends object>(client: Queryable, text: string, values: unknown[]): Promise<Row> {
  const { rows } = await client.query<Row>(text, values);
  const [row] = rows;
  if (row === undefined) throw new Error('An aggregate has given no row');
  return row;
}
