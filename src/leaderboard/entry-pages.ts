import { setImmediate as turn } from 'node:timers/promises';
import type pg from 'pg';
import type { Queryable } from '../postgres/database.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { fromUuid, toUuid, toUuids } from '../stored-ids.js';
import { ENTRY_ORDER, type EntryChange, type Sort, sortKey } from './entry.js';
import type { Board } from './projection.js';

/** Taking over a page occupies the event loop for some 5 ms. */
const ROWS_PER_READ = 2_000;

/** A page as one text, a line an entry, because parsing rows costs the client more than everything else. A removed entry has no sort key. */
const lines = (order: string): string => `
SELECT string_agg(concat_ws(' ', user_id, version, ${milliseconds('achieved_at')}, sort_key), E'\\n'
                  ORDER BY ${order})`;
const BOARD = 'scores WHERE leaderboard_id = $1 AND season = $2';
/** Behind $3, $4 and $5, where the last page ended. The index of the board's order holds all of it. */
const RANKED = `${lines(ENTRY_ORDER)} AS lines
FROM (SELECT ${ENTRY_ORDER}, version FROM ${BOARD} AND score IS NOT NULL
        AND (${ENTRY_ORDER}) > ($3::bigint, ${timestampAt('$4::float8')}, $5::uuid)
      ORDER BY ${ENTRY_ORDER} LIMIT ${ROWS_PER_READ}) page`;
/** Tombstones are made of these, and kept for ten minutes too. The newest two thousand are enough for late reports. */
const REMOVED_LATELY = `${lines('user_id')}
FROM (SELECT * FROM ${BOARD} AND score IS NULL AND achieved_at > now() - interval '10 minutes'
      ORDER BY achieved_at DESC LIMIT ${ROWS_PER_READ}) removed`;
const FIRST = `
SELECT (${lines(ENTRY_ORDER)} FROM (SELECT ${ENTRY_ORDER}, version FROM ${BOARD} AND score IS NOT NULL
                              ORDER BY ${ENTRY_ORDER} LIMIT ${ROWS_PER_READ}) page) AS lines,
       (${REMOVED_LATELY}) AS removed`;
/** Behind the user $3. */
const ALL = `${lines('user_id')} AS lines
FROM (SELECT * FROM ${BOARD} AND user_id > $3 ORDER BY user_id LIMIT ${ROWS_PER_READ}) page`;
const OF_USERS = `${lines('user_id')} AS lines FROM ${BOARD} AND user_id = ANY ($3::uuid[])`;

/** Before all entries: the lowest score is −(2^53 − 1). */
const START: EntryChange = {
  userId: 'usr_00000000000000000000000000',
  score: null,
  achievedAt: 0,
  version: 0,
};

/**
 * All entries of a board at one moment, in pages in the board's order, so that each is placed quickly next to the one before.
 * The last page holds the newest entries that were removed in the last ten minutes. The next page is read while one is taken over, and
 * other work of the process comes in between.
 *
 * All pages are of one snapshot. Otherwise an entry that moves from a part not yet read to a part already read would be
 * missed. A small board is one query.
 */
export async function* entriesInOrder(pool: pg.Pool, board: Board): AsyncGenerator<EntryChange[]> {
  const { key, sort } = board;
  const first = await firstPage(pool, board);
  if (first.entries.length < ROWS_PER_READ) {
    yield [...first.entries, ...first.removed];
    return;
  }
  const client = await pool.connect();
  let isOver = false;
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    yield* pages((last) =>
      entries(client, board, RANKED, [
        last.score === null ? -(2 ** 53) : sortKey(sort, last.score),
        last.achievedAt,
        toUuid('usr', last.userId),
      ]),
    );
    const { rows } = await client.query<{ lines: string | null }>(`SELECT (${REMOVED_LATELY}) AS lines`, [
      key.leaderboard,
      key.season,
    ]);
    yield parseEntries(sort, rows[0]?.lines);
    await client.query('COMMIT');
    isOver = true;
  } finally {
    // Closing the connection of a load that was broken off ends its snapshot and whatever is still being read.
    client.release(!isOver);
  }
}

async function firstPage(
  pool: pg.Pool,
  { key, sort }: Board,
): Promise<{ entries: EntryChange[]; removed: EntryChange[] }> {
  const { rows } = await pool.query<{ lines: string | null; removed: string | null }>(FIRST, [
    key.leaderboard,
    key.season,
  ]);
  return { entries: parseEntries(sort, rows[0]?.lines), removed: parseEntries(sort, rows[0]?.removed) };
}

/**
 * The same entries by user id, each page as PostgreSQL has it when it is read: a comparison of a board is better made with
 * recent rows. An entry cannot move between pages, and new users come last.
 */
export function entriesByUser(database: Queryable, board: Board): AsyncGenerator<EntryChange[]> {
  return pages((last) => entries(database, board, ALL, [toUuid('usr', last.userId)]));
}

async function* pages(read: (last: EntryChange) => Promise<EntryChange[]>): AsyncGenerator<EntryChange[]> {
  for (let page = read(START); ; ) {
    const rows = await page;
    const last = rows.at(-1);
    if (last === undefined) return;
    const isLast = rows.length < ROWS_PER_READ;
    if (!isLast) {
      page = read(last);
      // A failure is thrown when the page is awaited.
      page.catch(() => {});
      // Sends the query before this page is taken over.
      await turn();
    }
    yield rows;
    if (isLast) return;
  }
}

/** The entries, and the removed entries, of these users, as PostgreSQL has them. */
export function entriesOf(
  database: Queryable,
  board: Board,
  userIds: readonly string[],
): Promise<EntryChange[]> {
  return entries(database, board, OF_USERS, [toUuids('usr', userIds)]);
}

async function entries(
  database: Queryable,
  { key, sort }: Board,
  text: string,
  values: unknown[],
): Promise<EntryChange[]> {
  const { rows } = await database.query<{ lines: string | null }>(text, [
    key.leaderboard,
    key.season,
    ...values,
  ]);
  return parseEntries(sort, rows[0]?.lines);
}

const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;

/** Entries of lines: user, version, time and sort key. Parses character by character, which takes a third of the time of splitting. */
export function parseEntries(sort: Sort, page: string | null | undefined): EntryChange[] {
  const lines = page ?? '';
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
  const changes: EntryChange[] = [];
  for (; at < lines.length; at++) {
    const end = lines.indexOf(' ', at);
    const userId = fromUuid('usr', lines.slice(at, end));
    at = end + 1;
    const version = integer();
    at++;
    const achievedAt = integer();
    let score: number | null = null;
    if (lines.charCodeAt(at) === SPACE) {
      at++;
      score = sortKey(sort, integer());
    }
    changes.push({ userId, score, achievedAt, version });
  }
  return changes;
}
