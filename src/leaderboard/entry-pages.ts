import { setImmediate as turn } from 'node:timers/promises';
import type pg from 'pg';
import type { Queryable } from '../postgres/database.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { type BoardKey, type StandingChange, sortKey } from './leaderboard.js';

/** To take over a page holds up the process for some 5 ms. */
const ROWS_PER_READ = 2_000;

/** A page as one text, a line an entry: to take rows apart costs the client more than all else. Who has left has no sort key. */
const lines = (order: string): string => `
SELECT string_agg(concat_ws(' ', user_id, version, ${milliseconds('achieved_at')}, sort_key), E'\\n'
                  ORDER BY ${order}) AS lines`;
const BOARD = 'scores WHERE leaderboard_id = $1 AND season = $2';
const ORDER = 'sort_key, achieved_at, user_id';
/** Behind $3, $4 and $5, where the last page ended. All of it is in the index of the board's order. */
const RANKED = `${lines(ORDER)}
FROM (SELECT ${ORDER}, version FROM ${BOARD} AND score IS NOT NULL
        AND (${ORDER}) > ($3::bigint, ${timestampAt('$4::float8')}, $5::text)
      ORDER BY ${ORDER} LIMIT ${ROWS_PER_READ}) page`;
/** Behind the user $3. */
const byUser = (which: string): string => `${lines('user_id')}
FROM (SELECT * FROM ${BOARD} ${which} AND user_id > $3 ORDER BY user_id LIMIT ${ROWS_PER_READ}) page`;
const REMOVED = byUser('AND score IS NULL');
const ALL = byUser('');
const OF_USERS = `${lines('user_id')} FROM ${BOARD} AND user_id = ANY ($3::text[])`;

/** Before all entries: the lowest score is −(2^53 − 1). */
const START: StandingChange = { userId: '', score: null, achievedAt: 0, version: 0 };

/**
 * All entries of a board as PostgreSQL had them at one moment, in pages: in the board's order, as whoever builds it places each the
 * quicker next to the one before, then those that were removed. The next page is read while one is taken over, and other work of
 * the process comes in between.
 *
 * All pages are of one snapshot. Else an entry that moves from what is yet to be read to what was read would be missed until
 * the change itself is heard of.
 */
export async function* entriesInOrder(pool: pg.Pool, key: BoardKey): AsyncGenerator<StandingChange[]> {
  const client = await pool.connect();
  let isOver = false;
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    yield* pages((last) =>
      entries(client, key, RANKED, [
        last.score === null ? -(2 ** 53) : sortKey(key, last.score),
        last.achievedAt,
        last.userId,
      ]),
    );
    yield* pages((last) => entries(client, key, REMOVED, [last.userId]));
    await client.query('COMMIT');
    isOver = true;
  } finally {
    // Where it was broken off, the snapshot and what is still being read go with the connection.
    client.release(!isOver);
  }
}

/**
 * The same entries by user id, each page as PostgreSQL has it when it is read: to compare a board with, which is better done with
 * what is new. An entry cannot move between pages, and new users come last.
 */
export function entriesByUser(database: Queryable, key: BoardKey): AsyncGenerator<StandingChange[]> {
  return pages((last) => entries(database, key, ALL, [last.userId]));
}

async function* pages(
  read: (last: StandingChange) => Promise<StandingChange[]>,
): AsyncGenerator<StandingChange[]> {
  for (let page = read(START); ; ) {
    const rows = await page;
    const last = rows.at(-1);
    if (last === undefined) return;
    const isLast = rows.length < ROWS_PER_READ;
    if (!isLast) {
      page = read(last);
      // If it fails, that is told when its turn comes.
      page.catch(() => {});
      // Else it would be asked for only after this page is taken over.
      await turn();
    }
    yield rows;
    if (isLast) return;
  }
}

/** The entries that these users have or had on a board, as PostgreSQL has them. */
export function entriesOf(
  database: Queryable,
  key: BoardKey,
  userIds: readonly string[],
): Promise<StandingChange[]> {
  return entries(database, key, OF_USERS, [userIds]);
}

async function entries(
  database: Queryable,
  key: BoardKey,
  text: string,
  values: unknown[],
): Promise<StandingChange[]> {
  const { rows } = await database.query<{ lines: string | null }>(text, [key.id, key.season, ...values]);
  return parse(key, rows[0]?.lines ?? '');
}

const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;

/** Takes a page apart: character by character, in a third of the time that it takes to split it. */
function parse(key: BoardKey, lines: string): StandingChange[] {
  let at = 0;
  const integer = (): number => {
    const isNegative = lines.charCodeAt(at) === MINUS;
    if (isNegative) at++;
    let value = 0;
    for (; ; at++) {
      const digit = lines.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) return isNegative ? -value : value;
      value = 10 * value + digit;
    }
  };
  const changes: StandingChange[] = [];
  for (; at < lines.length; at++) {
    const end = lines.indexOf(' ', at);
    const userId = lines.slice(at, end);
    at = end + 1;
    const version = integer();
    at++;
    const achievedAt = integer();
    let score: number | null = null;
    if (lines.charCodeAt(at) === SPACE) {
      at++;
      score = sortKey(key, integer());
    }
    changes.push({ userId, score, achievedAt, version });
  }
  return changes;
}
