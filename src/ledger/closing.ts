import { type BoardKey, boardKey } from '../board-key.js';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { addJob, addStandingJob, type Job, type JobKind, job, Nothing } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';
import { JOBS_SCHEMA } from '../postgres/jobs-schema.js';
import { milliseconds } from '../postgres/sql.js';
import { CLOSE_SEASON, type SeasonOf } from '../seasons/corrections.js';
import { isSettled, SETTLE_MS } from '../seasons/settled.js';
import { closeFenceBriefly } from './fence.js';
import {
  BITE_SIZES,
  type BiteSizes,
  CLOSING_SEASON,
  type ClosingSeason,
  nextBite,
} from './final-standings.js';

/** How often it is looked for seasons that are due. */
const LOOK_EVERY_MS = 2_000;
/** How soon a closing that could not go on is tried again. */
const AGAIN_MS = 500;
/** By then every instance has heard that the season is final, and reads it from PostgreSQL. */
const FORGET_AFTER_MS = 10_000;

/** Looks for seasons to close, again and again. */
export const CLOSE_SEASONS: JobKind<typeof Nothing> = {
  name: 'close-seasons',
  payload: Nothing,
  keyOf: () => 'all',
};

/** Removes what is kept of a final season for fast reads. */
const FORGET_SEASON: JobKind<typeof SeasonOf> = { ...CLOSE_SEASON, name: 'forget-season' };

/** Seasons that are due, of each leaderboard the first one, and whose closing was not asked for yet. $1 settling, in milliseconds. */
const DUE = `
SELECT s.leaderboard_id AS leaderboard, min(s.season) AS season
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id
WHERE s.state = 'closing' AND s.purged_at IS NULL AND s.season > l.removed_through
  AND ${isSettled('$1')}
GROUP BY s.leaderboard_id
HAVING NOT EXISTS (
  SELECT FROM ${JOBS_SCHEMA}.jobs j WHERE j.key = '${CLOSE_SEASON.name}:' || s.leaderboard_id || ':' || min(s.season))
LIMIT 1000`;

/** A season that nobody else closes or corrects meanwhile. */
const LOCKED_SEASON = `${CLOSING_SEASON} FOR NO KEY UPDATE OF s`;

/** How long a final season is still what its board shows, as far as is known: until the next one begins. */
const SHOWN_FOR = `
SELECT ${milliseconds(`greatest(least(next_starts_at, clock_timestamp() + interval '1 hour') - clock_timestamp(), interval '0 s')`)} AS ms
FROM leaderboards WHERE id = $1 AND season <= $2 AND removed_at IS NULL`;

const CLOSE = `
UPDATE leaderboards l SET closed_through = greatest(l.closed_through, s.ends_at)
FROM seasons s WHERE l.id = $1 AND s.leaderboard_id = $1 AND s.season = $2`;
/** From now on late tokens are those of the season behind it, which may have other rules for them. */
const FOLLOW_RULES = `
UPDATE leaderboards l SET late_tokens = n.late_tokens, grace_ms = n.grace_ms
FROM (SELECT rules->>'lateTokens' AS late_tokens, (rules->>'graceMs')::int AS grace_ms FROM seasons WHERE leaderboard_id = $1 AND season = $2 + 1) n
WHERE l.id = $1 AND n.late_tokens IS NOT NULL AND (l.late_tokens, l.grace_ms) <> (n.late_tokens, n.grace_ms)`;
const CLOSED = 'UPDATE seasons SET closed_at = now() WHERE leaderboard_id = $1 AND season = $2';

/** Asks for the closing of all seasons that are due. */
export const closeSeasons = (settleMs = SETTLE_MS): Job =>
  job(CLOSE_SEASONS, async (client) => {
    const { rows } = await client.query<SeasonOf>(DUE, [settleMs]);
    for (const season of rows) await addStandingJob(client, CLOSE_SEASON, season);
    return { rest: {}, afterMs: LOOK_EVERY_MS };
  });

/**
 * Makes the standings of a season final, in bites: first the board takes nothing more of the season, then its entries are gone
 * through in their order, for the marks and the digest, and the last bite makes it final and tells so. Each bite knows from the row
 * of the season where the one before has ended, and goes on there. After a correction it begins anew; see `openForCorrection`.
 * @param writer names this instance in what it announces to the others
 */
export const closeSeason = (writer: string, sizes: BiteSizes = BITE_SIZES): Job =>
  job(CLOSE_SEASON, async (client, payload) => {
    const of = [payload.leaderboard, payload.season] as const;
    const [found] = (await client.query<ClosingSeason>(CLOSING_SEASON, [...of])).rows;
    if (found === undefined) return {};
    if (!found.isClosed) {
      const isClosed = await takeNoMore(client, of, writer);
      return { rest: payload, afterMs: isClosed ? 0 : AGAIN_MS };
    }
    const [season] = (await client.query<ClosingSeason>(LOCKED_SEASON, [...of])).rows;
    if (season === undefined) return {};
    if (!(await nextBite(client, payload, season, writer, sizes))) return { rest: payload };
    await addJob(client, FORGET_SEASON, payload, FORGET_AFTER_MS);
    return {};
  });

/**
 * Lets the board take nothing of the season any more. The closed fence waits for the batches that are being written. Those that come
 * later read the row of the leaderboard as it is then, also if their snapshot is older, because it is locked FOR UPDATE here.
 * @returns false if a batch takes too long: it must be over first, and other scores do not wait for that
 */
const takeNoMore = (
  client: Queryable,
  of: readonly [leaderboard: string, season: number],
  writer: string,
): Promise<boolean> =>
  closeFenceBriefly(client, of[0], async () => {
    const [leaderboard] = of;
    await client.query('SELECT FROM leaderboards WHERE id = $1 FOR UPDATE', [leaderboard]);
    // Corrections share it.
    await client.query('SELECT FROM seasons WHERE leaderboard_id = $1 AND season = $2 FOR UPDATE', [...of]);
    await client.query(CLOSE, [...of]);
    if ((await client.query(FOLLOW_RULES, [...of])).rowCount === 1)
      await announce(client, { type: 'leaderboard', id: newId('chg'), writer, leaderboard, removed: false });
    await client.query(CLOSED, [...of]);
  });

/**
 * Removes a final season from Redis, where nobody reads it any more.
 * @param removeBoards false if that must be tried again later
 */
export const forgetSeason = (removeBoards: (boards: readonly BoardKey[]) => Promise<boolean>): Job =>
  job(FORGET_SEASON, async (client, payload) => {
    const { leaderboard, season } = payload;
    const [shown] = (await client.query<{ ms: number }>(SHOWN_FOR, [leaderboard, season])).rows;
    if (shown !== undefined) return { rest: payload, afterMs: shown.ms + FORGET_AFTER_MS };
    return (await removeBoards([boardKey(leaderboard, season)]))
      ? {}
      : { rest: payload, afterMs: FORGET_AFTER_MS };
  });
