import { setImmediate as turn } from 'node:timers/promises';
import type { Queryable } from '../database.js';
import type { BoardKey, VersionedStanding } from './leaderboard.js';

/** To take over a page holds up the process for some 10 ms. */
const ROWS_PER_READ = 2_000;

/**
 * By primary key, so that an entry cannot move from what is yet to be read to what was read. $3 where the last page ended.
 * A number is parsed much faster than a timestamp.
 */
const ENTRIES = `
SELECT user_id AS "userId", score, (extract(epoch FROM achieved_at) * 1000)::float8 AS "achievedAt", version
FROM scores
WHERE leaderboard_id = $1 AND season = $2 AND user_id > $3
ORDER BY user_id
LIMIT ${ROWS_PER_READ}`;

/** All entries of a board as PostgreSQL has them, in pages, by user id. Lets other work of the process come in between. */
export async function* entryPages(
  database: Queryable,
  { id, season }: BoardKey,
): AsyncGenerator<VersionedStanding[]> {
  for (let after = ''; ; ) {
    const { rows } = await database.query<VersionedStanding>(ENTRIES, [id, season, after]);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_PER_READ) return;
    after = last.userId;
    await turn();
  }
}
