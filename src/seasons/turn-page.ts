import { hash } from 'node:crypto';
import type { Schedule } from '../../schemas/schedule.js';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import type { Queryable } from '../postgres/database.js';
import { isDatabaseUnavailable } from '../postgres/errors.js';
import {
  finiteMilliseconds,
  finiteRfc3339,
  milliseconds,
  rfc3339,
  timestampAt,
  timestampOr,
} from '../postgres/sql.js';
import { publish } from '../webhooks/publish.js';
import { seasonsAfter } from './schedule.js';
import { isSettled, SETTLE_MS } from './settled.js';

/** Seasons that are gone through in one transaction, and published in one event if they were missed: those of a year by the hour. */
const SEASONS = 10_000;
/** More than are missed while an instance starts again. */
const FEW = 16;

/** Of standings without an entry. */
const EMPTY_DIGEST = hash('sha256', '');

/** Batches that hold the row FOR KEY SHARE go on. Somebody who has locked it otherwise changes the board, or turns the page too. */
const LOCK = `
SELECT season, ${milliseconds('clock_timestamp()')} AS now, schedule,
       ${finiteMilliseconds('next_starts_at')} AS "nextStartsAt",
       ${finiteMilliseconds('next_ends_at')} AS "nextEndsAt"
FROM leaderboards WHERE id = $1 AND removed_at IS NULL FOR NO KEY UPDATE SKIP LOCKED`;
/**
 * Seasons that have come and gone between the next one and the one in force: no batch has known them. Those that take nothing more are
 * final at once, as there is nothing to wait for, nor to count. $1 a board, $2 the first of them, $3 and $4 their times, $5 settling,
 * in milliseconds.
 */
const MISS = `
WITH missed AS (
  INSERT INTO seasons (leaderboard_id, season, starts_at, ends_at, rules, is_skipped, state, entries, digest, closed_at, final_at)
  SELECT n.leaderboard_id, n.season + s.nth, s.starts_at, s.ends_at, n.rules, is_settled, CASE WHEN is_settled THEN 'final' ELSE 'open' END,
         CASE WHEN is_settled THEN 0 END, CASE WHEN is_settled THEN '${EMPTY_DIGEST}' END,
         CASE WHEN is_settled THEN now() END, CASE WHEN is_settled THEN now() END
  FROM seasons n JOIN leaderboards l ON l.id = n.leaderboard_id
  CROSS JOIN LATERAL (
    SELECT nth, ${timestampAt('starts_ms')} AS starts_at, ${timestampAt('ends_ms')} AS ends_at
    FROM unnest($3::float8[], $4::float8[]) WITH ORDINALITY m (starts_ms, ends_ms, nth)) s
  CROSS JOIN LATERAL (SELECT ${isSettled('$5')} AS is_settled) settled
  WHERE n.leaderboard_id = $1 AND n.season = $2
  RETURNING season, starts_at, ends_at, is_skipped
), closed AS (
  UPDATE leaderboards SET closed_through = greatest(closed_through, (SELECT max(ends_at) FROM missed WHERE is_skipped))
  WHERE id = $1 AND EXISTS (SELECT FROM missed WHERE is_skipped)
)
SELECT min(season) AS "firstSeason", max(season) AS "lastSeason",
       ${rfc3339('min(starts_at)')} AS "startsAt", ${rfc3339('max(ends_at)')} AS "endsAt"
FROM missed WHERE is_skipped HAVING count(*) > 0`;
/** The row of the season before its start, if there is one, has the rules that begin with it. $6 and $7 null: there is no next one. */
const TURN = `
UPDATE leaderboards l
SET season = $3, season_starts_at = ${timestampAt('$4::float8')},
    season_ends_at = ${timestampOr('$5')},
    next_starts_at = ${timestampOr('$6')},
    next_ends_at = ${timestampOr('$7')},
    sort = n.rules->>'sort', operator = n.rules->>'operator'
FROM seasons n
WHERE l.id = $1 AND l.season = $2 AND n.leaderboard_id = $1 AND n.season = $2 + 1`;
const LABEL = 'UPDATE seasons SET label = $3 WHERE leaderboard_id = $1 AND season = $2';
/** $3 the season of the board until now: one behind it without an entry was missed. */
const END = `
UPDATE seasons s
SET state = 'closing', is_skipped = season > $3 AND NOT EXISTS (
  SELECT FROM scores e WHERE e.leaderboard_id = s.leaderboard_id AND e.season = s.season)
WHERE leaderboard_id = $1 AND state = 'open' AND ends_at <= ${timestampAt('$2::float8')} AND ends_at < 'infinity'
RETURNING season, label, ${finiteRfc3339('starts_at')} AS "startsAt", ${rfc3339('ends_at')} AS "endsAt", is_skipped AS "isSkipped"`;

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
  readonly isSkipped: boolean;
}

/** Seasons that came and went without a score, one behind the other. */
type Skipped = Omit<Extract<WebhookEvent, { type: 'season.skipped' }>['data'], 'leaderboard'>;

interface Row {
  readonly season: number;
  /** Milliseconds since the epoch, as are all times. */
  readonly now: number;
  readonly schedule: Schedule | null;
  readonly nextStartsAt: number | null;
  readonly nextEndsAt: number | null;
}

/**
 * The schedule of a leaderboard cannot be computed, as PostgreSQL may know its time zone no more. No season is planned behind the one
 * that has begun: when that is over the board is closed, until it gets another schedule.
 */
export class UnplannedSeason extends Error {
  override readonly name = 'UnplannedSeason';

  constructor(
    readonly leaderboard: string,
    override readonly cause: unknown,
  ) {
    super(`No season of the leaderboard "${leaderboard}" is planned behind the one that has begun`);
  }
}

export interface Turned {
  /** The season that the board has come to is over as well. */
  readonly isBehind: boolean;
  readonly unplanned?: UnplannedSeason | undefined;
}

/**
 * Ends the seasons of a board that are over, and makes the one that has begun that of the board, if it can be locked at once. Seasons
 * that were missed are gone through, so many at a time.
 */
export async function turnPage(client: Queryable, id: string, writer: string): Promise<Turned> {
  const { rows } = await client.query<Row>(LOCK, [id]);
  const [row] = rows;
  if (row === undefined) return { isBehind: false };
  const { season, now, nextStartsAt, nextEndsAt } = row;
  const hasBegun = nextStartsAt !== null && nextStartsAt <= now;
  let isBehind = false;
  let unplanned: UnplannedSeason | undefined;
  let skipped: Skipped[] = [];
  if (hasBegun) {
    const following = await seasonsBehindNext(client, id, row);
    if (following instanceof UnplannedSeason) unplanned = following;
    const next: Ahead = { startsAt: nextStartsAt, endsAt: nextEndsAt, label: undefined };
    const ahead = following instanceof UnplannedSeason ? [next] : [next, ...following];
    const begun = ahead.filter(({ startsAt }) => startsAt <= now).length;
    // The one behind it must be known too, so the last of these is left to the next transaction.
    isBehind = begun > SEASONS;
    skipped = await goTo(client, id, season, ahead, isBehind ? begun - 2 : begun - 1);
  }
  const { rows: ended } = await client.query<Ended>(END, [id, now, season]);
  if (!hasBegun && ended.length === 0) return { isBehind: false };
  await publish(client, ...news(id, ended, skipped));
  await announce(client, { type: 'leaderboard', id: newId('chg'), writer, leaderboard: id, removed: false });
  return { isBehind, unplanned };
}

/** Those that have begun, and the one behind them: few at first, then as many as have had room since, but no more than SEASONS. */
async function seasonsBehindNext(
  client: Queryable,
  id: string,
  { schedule, nextEndsAt, now }: Row,
): Promise<readonly Ahead[] | UnplannedSeason> {
  if (schedule === null || nextEndsAt === null) return [];
  await client.query('SAVEPOINT schedule');
  try {
    for (let count = nextEndsAt <= now ? FEW : 1; ; ) {
      const ahead = await seasonsAfter(client, schedule, nextEndsAt, count);
      const { startsAt = now } = ahead.at(-1) ?? {};
      if (ahead.length < count || count === SEASONS || startsAt > now) return ahead;
      count = Math.min(SEASONS, Math.ceil((1.2 * count * (now - nextEndsAt)) / (startsAt - nextEndsAt)));
    }
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error;
    await client.query('ROLLBACK TO schedule');
    return new UnplannedSeason(id, error);
  }
}

/** Makes one of the seasons ahead the one of the board. @returns those before it that are final already */
async function goTo(
  client: Queryable,
  id: string,
  season: number,
  ahead: readonly Ahead[],
  reached: number,
): Promise<Skipped[]> {
  const [current, next] = ahead.slice(reached);
  if (current === undefined) return [];
  const missed = ahead.slice(1, reached);
  const times = [missed.map(({ startsAt }) => startsAt), missed.map(({ endsAt }) => endsAt)];
  const skipped =
    missed.length === 0
      ? []
      : (await client.query<Skipped>(MISS, [id, season + 1, ...times, SETTLE_MS])).rows;
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
  return skipped;
}

/** The events of seasons that have ended. Those that were missed share one. */
function news(leaderboard: string, ended: readonly Ended[], settled: readonly Skipped[]): WebhookEvent[] {
  const inOrder = ended.toSorted((a, b) => a.season - b.season);
  const events: WebhookEvent[] = inOrder
    .filter(({ isSkipped }) => !isSkipped)
    .map(({ isSkipped: _, ...data }) => ({ type: 'season.ended', data: { leaderboard, ...data } }));
  const unsettled = inOrder.flatMap(({ isSkipped, season, startsAt, endsAt }): Skipped[] =>
    isSkipped && startsAt !== null ? [{ firstSeason: season, lastSeason: season, startsAt, endsAt }] : [],
  );
  const skipped = [...unsettled, ...settled].sort((a, b) => a.firstSeason - b.firstSeason);
  const [first] = skipped;
  const last = skipped.at(-1);
  if (first === undefined || last === undefined) return events;
  const { lastSeason, endsAt } = last;
  return [...events, { type: 'season.skipped', data: { leaderboard, ...first, lastSeason, endsAt } }];
}
