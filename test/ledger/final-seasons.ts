import { createHash } from 'node:crypto';
import type pg from 'pg';
import { closeSeason } from '../../src/ledger/closing.js';
import { transact } from '../../src/postgres/database.js';
import { fromUuid } from '../../src/stored-ids.js';

/** Small ones, so that a few entries make several bites. */
export const SIZES = { entries: 4, markEvery: 3 };

/** Ends the current season of a leaderboard a minute ago, and begins the next one, past everything that does so for the service. */
export async function endSeason(pool: pg.Pool, leaderboard = 'global'): Promise<void> {
  await pool.query(
    `UPDATE leaderboards SET season = season + 1, season_starts_at = now() - interval '1 minute' WHERE id = $1`,
    [leaderboard],
  );
  await pool.query(
    `UPDATE seasons s SET ends_at = l.season_starts_at, state = 'closing' FROM leaderboards l
     WHERE s.leaderboard_id = $1 AND l.id = $1 AND s.season = l.season - 1`,
    [leaderboard],
  );
}

/** Closes a season bite by bite, without the jobs that do so for the service. @returns how many bites it took */
export async function close(pool: pg.Pool, leaderboard = 'global', season = 1): Promise<number> {
  const job = closeSeason('test', SIZES);
  for (let bites = 1; ; bites++) {
    await transact(pool, (client) => job.bite(client, { leaderboard, season }));
    if ((await seasonRow(pool, leaderboard, season)).state === 'final') return bites;
  }
}

interface SeasonRow {
  readonly state: string;
  readonly entries: number | null;
  readonly digest: string | null;
  readonly revision: number;
  readonly cursor: unknown;
  readonly isClosed: boolean;
}

export async function seasonRow(pool: pg.Pool, leaderboard = 'global', season = 1): Promise<SeasonRow> {
  const { rows } = await pool.query<SeasonRow>(
    `SELECT state, entries, digest, revision, cursor, closed_at IS NOT NULL AS "isClosed" FROM seasons
     WHERE leaderboard_id = $1 AND season = $2`,
    [leaderboard, season],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`${leaderboard} has no season ${season}`);
  return row;
}

/** What a final season must say of the rows that are there, found out in another way. */
export async function finalOf(pool: pg.Pool, leaderboard = 'global', season = 1) {
  const { rows } = await pool.query<{ user: string; score: number; at: number }>(
    `SELECT user_id AS user, score, achieved_at AS at FROM scores
     WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL ORDER BY sort_key, achieved_at, user_id`,
    [leaderboard, season],
  );
  const lines = rows.map(
    ({ user, score, at }, i) => `${i + 1} ${fromUuid('usr', user)} ${score} ${new Date(at).toISOString()}\n`,
  );
  return {
    state: 'final',
    entries: rows.length,
    digest: createHash('sha256').update(lines.join('')).digest('hex'),
    cursor: null,
    isClosed: true,
    marks: rows.flatMap(({ user }, i) => ((i + 1) % SIZES.markEvery === 0 ? [{ rank: i + 1, user }] : [])),
  };
}

/** What it does say. */
export async function finalRow(pool: pg.Pool, leaderboard = 'global', season = 1) {
  const { revision: _, ...row } = await seasonRow(pool, leaderboard, season);
  const { rows: marks } = await pool.query<{ rank: number; user: string }>(
    `SELECT rank, user_id AS user FROM season_marks WHERE leaderboard_id = $1 AND season = $2 ORDER BY rank`,
    [leaderboard, season],
  );
  return { ...row, marks };
}
