import type pg from 'pg';
import { fromUuid } from '../../src/stored-ids.js';
import { dashed } from '../leaderboard/board-rows.js';
import { addPlayers, prepare } from './game-server.js';
import { recompute } from './recomputed.js';

export const A_YEAR = 300_000;

/** The first twelve digits of an id are its time: that of the last event. */
const LAST = Date.now();
const EVERY_MS = 100_000;
const TIME_OF = `(${LAST} - ${EVERY_MS}::bigint * (${A_YEAR} - n))`;
/** The event with this number, from 1. */
export const eventId = (n: number): string => {
  const time = (LAST - EVERY_MS * (A_YEAR - n)).toString(16).padStart(12, '0');
  return fromUuid('evt', dashed(`${time}${n.toString(16).padStart(20, '0')}`));
};

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
    `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, best, boards)
     SELECT (lpad(to_hex(${TIME_OF}), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid, uuid_of($1), 'finish-race',
            gen_random_uuid(), ${points}, to_timestamp(${TIME_OF} / 1000.0),
            true, '{"global": 1, "best-race": 1, "latest-race": 1, "best-lap": 1}'
     FROM generate_series(1, $2::int) n`,
    [user, events],
  );
  await recompute(pool);
  return user;
}
