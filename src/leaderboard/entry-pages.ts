import { setImmediate as turn } from 'node:timers/promises';
import type { Queryable } from '../database.js';
import type { BoardKey, StandingChange } from './leaderboard.js';

/** To take over a page holds up the process for some 10 ms. */
const ROWS_PER_READ = 2_000;

/** A number is parsed much faster than a timestamp. */
const ROWS = `
SELECT user_id AS "userId", score, (extract(epoch FROM achieved_at) * 1000)::float8 AS "achievedAt", version
FROM scores WHERE leaderboard_id = $1 AND season = $2`;
/** By primary key, so that an entry cannot move from what is yet to be read to what was read. $3 where the last page ended. */
const NEXT_ROWS = `${ROWS} AND user_id > $3 ORDER BY user_id LIMIT ${ROWS_PER_READ}`;
const ROWS_OF_USERS = `${ROWS} AND user_id = ANY ($3::text[])`;

/**
 * All entries of a board as PostgreSQL has them, and those that were removed, in pages, by user id. The next page is read while one is taken over, and
 * other work of the process comes in between.
 */
export async function* entryPages(
  database: Queryable,
  { id, season }: BoardKey,
): AsyncGenerator<StandingChange[]> {
  const read = async (after: string): Promise<StandingChange[]> => {
    const { rows } = await database.query<StandingChange>(NEXT_ROWS, [id, season, after]);
    return rows;
  };
  for (let page = read(''); ; ) {
    const rows = await page;
    const last = rows.at(-1);
    if (last === undefined) return;
    const isLast = rows.length < ROWS_PER_READ;
    if (!isLast) {
      page = read(last.userId);
      // If it fails, that is told when its turn comes.
      page.catch(() => {});
    }
    yield rows;
    if (isLast) return;
    await turn();
  }
}

/** The entries that these users have or had on a board, as PostgreSQL has them. */
export async function entriesOf(
  database: Queryable,
  { id, season }: BoardKey,
  userIds: readonly string[],
): Promise<StandingChange[]> {
  const { rows } = await database.query<StandingChange>(ROWS_OF_USERS, [id, season, userIds]);
  return rows;
}
