import type pg from 'pg';
import { firstIdAt } from '../../src/ids.js';
import { addPlayers, prepare } from './game-server.js';
import { recompute } from './recomputed.js';

export const A_YEAR = 300_000;

/** The first ten digits of an id are its time. */
const ID = firstIdAt('evt', Date.now()).slice(0, 14);
/** The event with this number, from 1. */
export const eventId = (n: number): string => ID + String(n).padStart(16, '0');

/**
 * Boards of each kind, and a user who has scored on all of them every hundred seconds for a year, or from its beginning on.
 * @param points SQL, of the event number n
 * @returns the user's id
 */
export async function playAYear(pool: pg.Pool, databaseUrl: string, points: string, events = A_YEAR) {
  await prepare(databaseUrl, 0);
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator) VALUES ('best-lap', 'Lap', 'asc', 'best')`,
  );
  const [user = ''] = await addPlayers(pool, 1);
  await pool.query(
    `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
     SELECT '${ID}' || lpad(n::text, 16, '0'), $1, 'finish-race', 'tok_' || n, ${points},
            now() - (${A_YEAR} - n) * interval '100 seconds',
            '{"global": 1, "best-race": 1, "latest-race": 1, "best-lap": 1}'
     FROM generate_series(1, $2::int) n`,
    [user, events],
  );
  await recompute(pool);
  return user;
}
