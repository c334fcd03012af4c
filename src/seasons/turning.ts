import type pg from 'pg';
import type { Schedule } from '../../schemas/schedule.js';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import {
  finiteMilliseconds,
  finiteRfc3339,
  milliseconds,
  rfc3339,
  timestampAt,
  timestampOr,
} from '../postgres/sql.js';
import { tell } from '../webhooks/tell.js';
import { seasonsAfter } from './schedule.js';

/**
 * What time has decided is written down here: a season that is over is closing, and one that has begun is that of its board. No
 * score waits for this. Any instance does it, whenever it comes to it; of several, one does.
 */

/** Boards that are seen to at a time. */
const BOARDS = 100;
/** Seasons that are gone through in one transaction. */
const SEASONS = 1_000;

const DUE = `
SELECT id FROM (
SELECT id FROM leaderboards WHERE next_starts_at <= clock_timestamp()
UNION SELECT leaderboard_id FROM seasons WHERE state = 'open' AND ends_at <= clock_timestamp() AND ends_at < 'infinity') due
-- Boards that cannot be turned must not hide the others.
ORDER BY random() LIMIT ${BOARDS}`;
const NEXT = `
SELECT ${milliseconds(`least(
  (SELECT min(next_starts_at) FROM leaderboards WHERE next_starts_at < 'infinity'),
  (SELECT min(ends_at) FROM seasons WHERE state = 'open' AND ends_at < 'infinity')) - clock_timestamp()`)} AS ms`;

/** Batches that hold the row FOR KEY SHARE go on. Somebody who has locked it otherwise changes the board, or turns the page too. */
const LOCK = `
SELECT season, ${milliseconds('clock_timestamp()')} AS now, schedule,
       ${finiteMilliseconds('next_starts_at')} AS "nextStartsAt",
       ${finiteMilliseconds('next_ends_at')} AS "nextEndsAt"
FROM leaderboards WHERE id = $1 AND removed_at IS NULL FOR NO KEY UPDATE SKIP LOCKED`;
/** Those between the old season and the new one have come and gone. $1 a board, $2 the first of them, $3 and $4 their times. */
const MISS = `
INSERT INTO seasons (leaderboard_id, season, starts_at, ends_at, rules)
SELECT n.leaderboard_id, n.season + m.nth, ${timestampAt('m.starts_at')}, ${timestampAt('m.ends_at')}, n.rules
FROM unnest($3::float8[], $4::float8[]) WITH ORDINALITY m (starts_at, ends_at, nth), seasons n
WHERE n.leaderboard_id = $1 AND n.season = $2`;
/** The row of the season before its start, if there is one, has the rules that begin with it. $6 and $7 null: there is no next one. */
const TURN = `
UPDATE leaderboards l
SET season = $3, season_starts_at = ${timestampAt('$4::float8')},
    season_ends_at = ${timestampOr('$5')},
    next_starts_at = ${timestampOr('$6')},
    next_ends_at = ${timestampOr('$7')},
    sort = n.rules->>'sort', operator = n.rules->>'operator', unit = n.rules->'unit'
FROM seasons n
WHERE l.id = $1 AND l.season = $2 AND n.leaderboard_id = $1 AND n.season = $2 + 1`;
const LABEL = 'UPDATE seasons SET label = $3 WHERE leaderboard_id = $1 AND season = $2';
const END = `
UPDATE seasons s SET state = 'closing'
WHERE leaderboard_id = $1 AND state = 'open' AND ends_at <= ${timestampAt('$2::float8')} AND ends_at < 'infinity'
RETURNING season, label, ${finiteRfc3339('starts_at')} AS "startsAt", ${rfc3339('ends_at')} AS "endsAt",
          EXISTS (SELECT FROM scores e WHERE e.leaderboard_id = s.leaderboard_id AND e.season = s.season) AS "hasEntries"`;

/** A season of which the end may be open, but only if none is known behind it. */
interface Ahead {
  readonly startsAt: number;
  readonly endsAt: number | null;
  readonly label?: string | undefined;
}

interface Ended {
  readonly season: number;
  readonly label: string | null;
  readonly startsAt: string | null;
  readonly endsAt: string;
  readonly hasEntries: boolean;
}

interface Row {
  readonly season: number;
  /** Milliseconds since the epoch, as are all times. */
  readonly now: number;
  readonly schedule: Schedule | null;
  readonly nextStartsAt: number | null;
  readonly nextEndsAt: number | null;
}

/**
 * Ends the seasons that are over, and turns the page of the boards whose next season has begun. A board that cannot be turned, as
 * PostgreSQL may know its time zone no more, does not keep others from it.
 * @param writer names this instance in what it announces to the others
 * @returns in how many milliseconds something will be due again; null if nothing is known to be
 * @throws AggregateError at the end, with what went wrong of some boards
 */
export async function turnPages(pool: pg.Pool, writer: string): Promise<number | null> {
  const { rows } = await pool.query<{ id: string }>(DUE);
  const failed: Error[] = [];
  for (const { id } of rows) {
    try {
      for (let isBehind = true; isBehind; )
        isBehind = await transact(pool, (client) => turnPage(client, id, writer));
    } catch (error) {
      failed.push(new Error(`The page of the leaderboard "${id}" cannot be turned`, { cause: error }));
    }
  }
  if (failed.length > 0) throw new AggregateError(failed, failed[0]?.message);
  const next = await pool.query<{ ms: number | null }>(NEXT);
  return next.rows[0]?.ms ?? null;
}

const COMING = `
SELECT l.id AS leaderboard, l.season, n.rules->>'sort' AS sort
FROM leaderboards l JOIN seasons n ON n.leaderboard_id = l.id AND n.season = l.season + 1
WHERE l.next_starts_at < clock_timestamp() + $1 * interval '1 millisecond' AND l.next_starts_at < 'infinity'`;

/** A leaderboard whose next season begins soon. */
interface Coming {
  readonly leaderboard: string;
  /** The one before it. */
  readonly season: number;
  /** How the next one sorts. */
  readonly sort: 'desc' | 'asc';
}

/** The leaderboards whose next season begins within so many milliseconds. */
export async function comingSeasons(database: Queryable, withinMs: number): Promise<Coming[]> {
  return (await database.query<Coming>(COMING, [withinMs])).rows;
}

/** @returns whether the season that it has come to is over as well */
async function turnPage(client: Queryable, id: string, writer: string): Promise<boolean> {
  const { rows } = await client.query<Row>(LOCK, [id]);
  const [row] = rows;
  if (row === undefined) return false;
  const { season, now, nextStartsAt, nextEndsAt, schedule } = row;
  const hasBegun = nextStartsAt !== null && nextStartsAt <= now;
  let isBehind = false;
  if (hasBegun) {
    // Many are computed only if that one is over too.
    const following =
      schedule === null || nextEndsAt === null
        ? []
        : await seasonsAfter(client, schedule, nextEndsAt, nextEndsAt <= now ? SEASONS : 1);
    const ahead = [{ startsAt: nextStartsAt, endsAt: nextEndsAt, label: undefined }, ...following];
    const begun = ahead.filter(({ startsAt }) => startsAt <= now).length;
    // The one behind it must be known too, so the last of these is left to the next transaction.
    isBehind = begun > SEASONS;
    await goTo(client, id, season, ahead, isBehind ? begun - 2 : begun - 1);
  }
  const { rows: ended } = await client.query<Ended>(END, [id, now]);
  if (!hasBegun && ended.length === 0) return false;
  await tell(client, ...news(id, season, ended));
  await announce(client, { type: 'leaderboard', id: newId('chg'), writer, leaderboard: id, removed: false });
  return isBehind;
}

/** Makes one of the seasons ahead the one of the board. */
async function goTo(
  client: Queryable,
  id: string,
  season: number,
  ahead: readonly Ahead[],
  reached: number,
): Promise<void> {
  const [current, next] = ahead.slice(reached);
  if (current === undefined) return;
  const missed = ahead.slice(1, reached);
  const times = [missed.map(({ startsAt }) => startsAt), missed.map(({ endsAt }) => endsAt)];
  if (missed.length > 0) await client.query(MISS, [id, season + 1, ...times]);
  await client.query(TURN, [
    id,
    season,
    season + 1 + reached,
    current.startsAt,
    current.endsAt,
    next?.startsAt ?? null,
    next?.endsAt ?? null,
  ]);
  for (const [i, { label }] of ahead.slice(0, reached + 2).entries())
    if (label !== undefined) await client.query(LABEL, [id, season + 1 + i, label]);
}

/**
 * What webhooks are told of seasons that have ended. Those that came and went without a score, since the board's own season has
 * ended, are told of together.
 * @param season the one of the board until now
 */
function news(leaderboard: string, season: number, ended: readonly Ended[]): WebhookEvent[] {
  const inOrder = ended.toSorted((a, b) => a.season - b.season);
  const isMissed = (one: Ended) => one.season > season && !one.hasEntries;
  const events: WebhookEvent[] = inOrder
    .filter((one) => !isMissed(one))
    .map(({ hasEntries: _, ...data }) => ({ type: 'season.ended', data: { leaderboard, ...data } }));
  const missed = inOrder.filter(isMissed);
  const [first] = missed;
  const last = missed.at(-1);
  if (first?.startsAt == null || last === undefined) return events;
  const seasons = { firstSeason: first.season, lastSeason: last.season };
  const times = { startsAt: first.startsAt, endsAt: last.endsAt };
  return [...events, { type: 'season.skipped', data: { leaderboard, ...seasons, ...times } }];
}
