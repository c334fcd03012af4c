import type { Schedule } from '../../schemas/schedule.js';
import type { SeasonSpan } from '../../schemas/season.js';
import { instant, instantOrNull } from '../clock.js';
import { invalid, Problem } from '../errors.js';
import { closeFence } from '../ledger/fence.js';
import type { Queryable } from '../postgres/database.js';
import { finiteMilliseconds, milliseconds, timestampOr } from '../postgres/sql.js';
import { SHORTEST_SEASON_MS, seasonFrom, seasonsAfter } from '../seasons/schedule.js';
import { noSuchLeaderboard } from './leaderboard-rows.js';
import { AHEAD_MS, checkStillAhead } from './season-ends.js';

const LOCK = `
SELECT season, schedule, removed_through AS "removedThrough", ${milliseconds('clock_timestamp()')} AS now,
       ${finiteMilliseconds('season_starts_at')} AS "startsAt", ${finiteMilliseconds('season_ends_at')} AS "endsAt",
       ${finiteMilliseconds('next_starts_at')} AS "nextStartsAt", ${finiteMilliseconds('next_ends_at')} AS "nextEndsAt"
FROM leaderboards WHERE id = $1 AND removed_at IS NULL FOR UPDATE`;
const SET_ENDS = `
UPDATE leaderboards SET season_ends_at = ${timestampOr('$2')}, next_starts_at = ${timestampOr('$3')}, next_ends_at = ${timestampOr('$4')}
WHERE id = $1`;
/** The end of one season is set, and the schedule says the end of the one behind it. */
const MARK_ENDS = 'UPDATE seasons SET end_is_set = season = $2 WHERE leaderboard_id = $1 AND season >= $2';
const SET_LABEL = 'UPDATE seasons SET label = $3 WHERE leaderboard_id = $1 AND season = $2';
const COUNT_CHANGE = 'UPDATE leaderboards SET revision = revision + 1 WHERE id = $1';
/**
 * Whether the next season begins with other rules than the one in force has. The rules for late tokens are those of the last season
 * that has its own.
 */
const HAS_OTHER_RULES = `
SELECT FROM leaderboards l JOIN seasons n ON n.leaderboard_id = l.id AND n.season = l.season + 1
CROSS JOIN LATERAL (
  SELECT coalesce(min(rules->>'lateTokens'), l.late_tokens) AS late_tokens, coalesce(min(rules->>'graceMs'), l.grace_ms::text) AS grace_ms
  FROM (SELECT rules FROM seasons o WHERE o.leaderboard_id = l.id AND o.season <= l.season AND o.rules ? 'lateTokens'
        ORDER BY o.season DESC LIMIT 1) own) c
WHERE l.id = $1 AND (
  (n.rules->>'sort', n.rules->>'operator') <> (l.sort, l.operator)
  OR (n.rules->>'lateTokens', n.rules->>'graceMs') <> (c.late_tokens, c.grace_ms))`;
const SPAN = `
SELECT label, ${finiteMilliseconds('starts_at')} AS "startsAt", ${finiteMilliseconds('ends_at')} AS "endsAt"
FROM seasons WHERE leaderboard_id = $1 AND season = $2`;

/** Times are in milliseconds since 1970; null is open, or not planned. */
interface Known {
  readonly season: number;
  readonly schedule: Schedule | null;
  readonly removedThrough: number;
  readonly now: number;
  readonly startsAt: number | null;
  readonly endsAt: number | null;
  readonly nextStartsAt: number | null;
  readonly nextEndsAt: number | null;
}

/** What an administrator says of a season. What is absent stays. */
export interface SeasonChange {
  /** As the API writes a time. Null leaves the end open. */
  readonly endsAt?: string | null;
  readonly label?: string | null;
}

/**
 * Ends the season in force, by default as soon as that can be done. The next one begins then, or when the schedule says so.
 * @param label of the next season
 * @returns the season in force
 * @throws Problem `not-found`; `season-ended` if it is over, or will be within seconds; `validation-failed` if it would be over
 * too soon, or too short; `leaderboard-in-use` if no next season would begin, which was to have other rules; `service-unavailable` if
 * scores do not pause in time: to be tried again
 */
export async function endSeason(
  client: Queryable,
  id: string,
  { endsAt, label }: { readonly endsAt?: string; readonly label?: string },
): Promise<SeasonSpan> {
  const known = await lock(client, id);
  checkRunning(known, known.season);
  const soonest = Math.max(known.now + AHEAD_MS, (known.startsAt ?? 0) + SHORTEST_SEASON_MS);
  const hasNext = await setEnd(client, id, known, endsAt === undefined ? soonest : Date.parse(endsAt));
  if (label !== undefined) {
    if (!hasNext) throw invalid('/label', 'is of the next season, and there is none');
    await client.query(SET_LABEL, [id, known.season + 1, label]);
  }
  await client.query(COUNT_CHANGE, [id]);
  return await spanOf(client, id, known.season);
}

/**
 * Gives a season another end, or a name. The next season begins with the end of the one before it, or when the schedule says so.
 * @returns the season
 * @throws Problem `not-found`, `season-not-found`; `season-ended` for the end of one that is over; and as `endSeason`
 */
export async function changeSeason(
  client: Queryable,
  id: string,
  season: number,
  { endsAt, label }: SeasonChange,
): Promise<SeasonSpan> {
  const known = await lock(client, id);
  const last = known.nextStartsAt === null ? known.season : known.season + 1;
  if (season > last || season <= known.removedThrough) throw noSuchSeason(id, season);
  if (endsAt !== undefined) {
    checkRunning(known, season);
    const end = endsAt === null ? null : Date.parse(endsAt);
    if (season === known.season) await setEnd(client, id, known, end);
    else await setNextEnd(client, id, known, end);
  }
  if (label !== undefined) await client.query(SET_LABEL, [id, season, label]);
  await client.query(COUNT_CHANGE, [id]);
  return await spanOf(client, id, season);
}

/** Scores that waited at the fence read the row as it is then, because it is locked FOR UPDATE. */
async function lock(client: Queryable, id: string): Promise<Known> {
  await closeFence(client, id);
  const [known] = (await client.query<Known>(LOCK, [id])).rows;
  if (known === undefined) throw noSuchLeaderboard(id);
  return known;
}

function checkRunning(known: Known, season: number): void {
  const end = season === known.season ? known.endsAt : known.nextEndsAt;
  if (season < known.season || (end !== null && end < known.now + AHEAD_MS))
    throw new Problem('season-ended', `Season ${season} is over, or will be within ${AHEAD_MS / 1000} s.`);
}

/** @returns whether there is a next season then */
async function setEnd(client: Queryable, id: string, known: Known, end: number | null): Promise<boolean> {
  checkEnd(known, known.startsAt, end);
  const next = end === null ? null : await seasonBehind(client, known, end);
  if (next === null && (await client.query(HAS_OTHER_RULES, [id])).rowCount !== 0)
    throw new Problem(
      'leaderboard-in-use',
      `Season ${known.season + 1} is to have other rules, and would not come: put the leaderboard with its present ones first.`,
    );
  await client.query(SET_ENDS, [id, end, next?.startsAt ?? null, next?.endsAt ?? null]);
  await client.query(MARK_ENDS, [id, known.season]);
  await checkStillAhead(client, end);
  return next !== null;
}

async function setNextEnd(client: Queryable, id: string, known: Known, end: number | null): Promise<void> {
  checkEnd(known, known.nextStartsAt, end);
  await client.query(SET_ENDS, [id, known.endsAt, known.nextStartsAt, end]);
  await client.query(MARK_ENDS, [id, known.season + 1]);
  await checkStillAhead(client, end);
}

function checkEnd({ schedule, now: time }: Known, startsAt: number | null, end: number | null): void {
  if (end === null) {
    if (schedule !== null) throw invalid('/endsAt', 'cannot be open: the leaderboard has a schedule');
  } else if (end < time + AHEAD_MS) {
    throw invalid('/endsAt', `must be at least ${AHEAD_MS / 1000} s ahead`);
  } else if (startsAt !== null && end < startsAt + SHORTEST_SEASON_MS) {
    throw invalid('/endsAt', `must be at least ${SHORTEST_SEASON_MS / 1000} s after the start of the season`);
  }
}

/** The season behind the one in force, if that ends so. Where seasons do not follow each other, what is left of it is none. */
async function seasonBehind(client: Queryable, { schedule, startsAt }: Known, end: number) {
  const hasGaps = schedule !== null && (schedule.seasons !== undefined || schedule.activeMs !== undefined);
  if (!hasGaps || startsAt === null) return await seasonFrom(client, schedule, end);
  const [own] = await seasonsAfter(client, schedule, startsAt, 1);
  const isOwn = own !== undefined && own.startsAt <= startsAt;
  return await seasonFrom(client, schedule, isOwn ? Math.max(end, own.endsAt) : end);
}

async function spanOf(client: Queryable, leaderboard: string, season: number): Promise<SeasonSpan> {
  type Row = { label: string | null; startsAt: number | null; endsAt: number | null };
  const [row] = (await client.query<Row>(SPAN, [leaderboard, season])).rows;
  if (row === undefined) throw noSuchSeason(leaderboard, season);
  const { label, startsAt, endsAt } = row;
  const times = { startsAt: instantOrNull(startsAt), endsAt: instantOrNull(endsAt) };
  return { leaderboard, season, label, ...times, now: instant() };
}

const noSuchSeason = (id: string, season: number): Problem =>
  new Problem('season-not-found', `The leaderboard "${id}" has no season ${season}.`);
