import { setImmediate as turn } from 'node:timers/promises';
import type { Queryable } from '../database.js';
import type { BoardKey, StandingChange } from './leaderboard.js';

/** To take over a page holds up the process for some 10 ms. */
const ROWS_PER_READ = 2_000;

/** A page as one text, a line an entry: to take rows apart costs the client more than all else. Without a score, a line ends before it. */
const ROWS = `
SELECT string_agg(concat_ws(' ', user_id, version, (date_part('epoch', achieved_at) * 1000)::bigint, score), E'\\n'
                  ORDER BY user_id) AS lines`;
const BOARD = 'scores WHERE leaderboard_id = $1 AND season = $2';
/** By primary key, so that an entry cannot move from what is yet to be read to what was read. $3 where the last page ended. */
const NEXT_ROWS = `${ROWS}
FROM (SELECT * FROM ${BOARD} AND user_id > $3 ORDER BY user_id LIMIT ${ROWS_PER_READ}) page`;
const ROWS_OF_USERS = `${ROWS} FROM ${BOARD} AND user_id = ANY ($3::text[])`;

/**
 * All entries of a board as PostgreSQL has them, and those that were removed, in pages, by user id. The next page is read while one is taken over, and
 * other work of the process comes in between.
 */
export async function* entryPages(
  database: Queryable,
  { id, season }: BoardKey,
): AsyncGenerator<StandingChange[]> {
  const read = (after: string) => entries(database, NEXT_ROWS, [id, season, after]);
  for (let page = read(''); ; ) {
    const rows = await page;
    const last = rows.at(-1);
    if (last === undefined) return;
    const isLast = rows.length < ROWS_PER_READ;
    if (!isLast) {
      page = read(last.userId);
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
  { id, season }: BoardKey,
  userIds: readonly string[],
): Promise<StandingChange[]> {
  return entries(database, ROWS_OF_USERS, [id, season, userIds]);
}

async function entries(database: Queryable, text: string, values: unknown[]): Promise<StandingChange[]> {
  const { rows } = await database.query<{ lines: string | null }>(text, values);
  const lines = rows[0]?.lines ?? '';
  if (lines === '') return [];
  return lines.split('\n').map((line): StandingChange => {
    const [userId = '', version, achievedAt, score] = line.split(' ');
    return {
      userId,
      score: score === undefined ? null : Number(score),
      achievedAt: Number(achievedAt),
      version: Number(version),
    };
  });
}
