import { type Entries, leaderboardOf } from '@scoreboard/client';
import type pg from 'pg';
import type { Test } from 'tap';
import type { Receipt } from '../../schemas/score.js';
import { withIds } from '../../src/stored-ids.js';
import { results } from '../receipts.js';
import { type Answer, BOARDS, groupBy, type Token } from './game-server.js';

/** What PostgreSQL holds, and whether answers and boards agree with it. */

export interface Row {
  readonly userId: string;
  readonly score: number;
  readonly achievedAt: string;
}

/** A board in its order, as PostgreSQL has it. */
export async function truth(pool: pg.Pool, board: string): Promise<Row[]> {
  const { rows } = await pool.query<{ userId: string; score: number; achievedAt: number }>(
    `SELECT user_id AS "userId", score, achieved_at AS "achievedAt" FROM scores
     WHERE leaderboard_id = $1 AND score IS NOT NULL ORDER BY sort_key, achieved_at, user_id`,
    [board],
  );
  return withIds(rows, { userId: 'usr' }).map((row) => ({
    ...row,
    achievedAt: new Date(row.achievedAt).toISOString(),
  }));
}

/** A board in its order, as an instance shows it. */
export async function shown(url: string, board: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Entries = await leaderboardOf(url, board).top({ limit: 100, ...(cursor && { cursor }) });
    rows.push(...page.items.map(({ userId, score, achievedAt }) => ({ userId, score, achievedAt })));
    cursor = page.nextCursor;
  }
  return rows;
}

/** Polls until every instance shows every board as PostgreSQL has it. @returns how long that took, in milliseconds */
export async function agreement(
  t: Test,
  pool: pg.Pool,
  urls: readonly string[],
  ceilingMs: number,
): Promise<number> {
  const start = performance.now();
  for (;;) {
    const pairs = await Promise.all(
      urls.flatMap((url) =>
        BOARDS.map(async (board) => {
          const wanted = await truth(pool, board);
          return { url, board, wanted, found: await shown(url, board).catch(String) };
        }),
      ),
    );
    const wrong = pairs.find(({ wanted, found }) => JSON.stringify(wanted) !== JSON.stringify(found));
    const ms = performance.now() - start;
    if (wrong === undefined || ms > ceilingMs) {
      t.same(
        wrong?.found,
        wrong?.wanted,
        `${wrong?.url ?? 'all'} ${wrong?.board ?? ''}: agrees with PostgreSQL`,
      );
      return ms;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface EventRow {
  readonly id: string;
  readonly tokenId: string;
  readonly userId: string;
  readonly points: number;
}

export async function events(pool: pg.Pool): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow>(
    'SELECT id, token_id AS "tokenId", user_id AS "userId", points FROM score_events ORDER BY id',
  );
  return withIds(rows, { id: 'evt', tokenId: 'tok', userId: 'usr' });
}

/** Every token has counted once: one event each, and what all answers said of it is that event. */
export function countedOnce(
  t: Test,
  tokens: readonly Token[],
  recorded: readonly EventRow[],
  answers: readonly Answer[],
) {
  const eventOf = new Map(recorded.map(({ tokenId, id }) => [tokenId, id]));
  t.equal(recorded.length, eventOf.size, 'no token has two events');
  t.same([...eventOf.keys()].sort(), tokens.map(({ id }) => id).sort(), 'every token has an event');
  const wrong = answers.filter(({ token, status, receipt, problem }) => {
    const said = status === 200 ? receipt?.eventId : status === 409 ? problem?.original?.eventId : undefined;
    return said !== eventOf.get(token.id);
  });
  t.same(wrong, [], 'each answer is a 200 or a 409, and names the event of its token');
  const accepted = groupBy(
    answers.filter(({ status }) => status === 200),
    ({ token }) => token.id,
  );
  t.ok(
    [...accepted.values()].every(({ length }) => length === 1),
    'no token was accepted twice',
  );
}

/** The receipts of a user and board are the steps of one way from nothing to the final score. */
export async function unbroken(t: Test, pool: pg.Pool, receipts: readonly Receipt[]): Promise<void> {
  const steps = receipts.flatMap((receipt) =>
    results(receipt).map((step) => ({ userId: receipt.userId, points: receipt.points, ...step })),
  );
  const broken: unknown[] = [];
  for (const board of BOARDS) {
    const finals = new Map((await truth(pool, board)).map(({ userId, score }) => [userId, score]));
    const byUser = groupBy(
      steps.filter(({ id }) => id === board),
      ({ userId }) => userId,
    );
    for (const [userId, own] of byUser) {
      const reached = [null, ...own.map(({ score }) => score)].sort(numerically);
      const left = [...own.map(({ previousScore }) => previousScore), finals.get(userId) ?? null].sort(
        numerically,
      );
      if (JSON.stringify(reached) !== JSON.stringify(left)) broken.push({ board, userId, reached, left });
    }
    if (board !== 'global') continue;
    broken.push(...steps.filter((s) => s.id === board && s.score - (s.previousScore ?? 0) !== s.points));
  }
  t.same(broken, [], 'receipts are the steps of one way');
}

const numerically = (a: number | null, b: number | null): number =>
  (a ?? Number.NEGATIVE_INFINITY) - (b ?? Number.NEGATIVE_INFINITY) || 0;

/** Deadlocks in this database since it was made. To be asked when all who use it have left: then their counts are in. */
export async function deadlocks(maintenance: pg.Pool, databaseUrl: string): Promise<number> {
  const name = new URL(databaseUrl).pathname.slice(1);
  for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
    const { rowCount } = await maintenance.query('SELECT FROM pg_stat_activity WHERE datname = $1', [name]);
    if (rowCount === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { rows } = await maintenance.query<{ deadlocks: number }>(
    'SELECT deadlocks FROM pg_stat_database WHERE datname = $1',
    [name],
  );
  return rows[0]?.deadlocks ?? Number.NaN;
}
