import { isDeepStrictEqual } from 'node:util';
import type { Leaderboard, PlannedSeason } from '../../schemas/leaderboard.js';
import type { Schedule } from '../../schemas/schedule.js';
import { instant, instantOrNull } from '../clock.js';
import { invalid, Problem } from '../errors.js';
import { closeFence } from '../ledger/fence.js';
import type { Queryable } from '../postgres/database.js';
import { finiteMilliseconds, timestampOr } from '../postgres/sql.js';
import { checkSchedule, PREVIEWED } from '../seasons/check-schedule.js';
import { type NextSeason, seasonFrom, seasonsAfter } from '../seasons/schedule.js';
import { type LeaderboardDefinition, noSuchLeaderboard, readLeaderboard } from './leaderboard-rows.js';
import { AHEAD_MS, checkStillAhead, databaseTime } from './season-ends.js';

/** What an administrator decides of a leaderboard. Without a schedule, or if it is null, seasons are ended by hand. */
export type LeaderboardRules = Pick<
  Leaderboard,
  | 'id'
  | 'title'
  | 'sort'
  | 'operator'
  | 'titles'
  | 'unit'
  | 'maxPointsPerMinute'
  | 'hidden'
  | 'lateTokens'
  | 'graceMs'
  | 'keepSeasons'
> & { readonly schedule?: Schedule | null };

export interface PutOptions {
  /** The revisions of which one is to be replaced, as entity tags; any if it is absent. */
  readonly ifMatch?: string | undefined;
  /** What it brings is only told. */
  readonly dryRun?: boolean;
}

export type PutLeaderboard = LeaderboardDefinition & { readonly preview: PlannedSeason[] };

const LOCK = `
SELECT sort, operator, revision, season, schedule, late_tokens AS "lateTokens", grace_ms AS "graceMs", ${finiteMilliseconds('season_ends_at')} AS "endsAt",
       ${finiteMilliseconds('next_starts_at')} AS "nextStartsAt", ${finiteMilliseconds('next_ends_at')} AS "nextEndsAt",
       (SELECT label FROM seasons n WHERE n.leaderboard_id = l.id AND n.season = l.season + 1) AS "nextLabel",
       EXISTS (SELECT FROM scores e WHERE e.leaderboard_id = l.id AND e.season = l.season
                 AND coalesce(e.score, e.withheld_score) IS NOT NULL) AS "hasEntries",
       (SELECT min(p.season) FROM seasons p
        WHERE p.leaderboard_id = l.id AND p.season > l.removed_through AND p.closed_at IS NULL) AS "oldestOpen"
FROM leaderboards l WHERE id = $1 AND removed_at IS NULL FOR`;

/** A leaderboard with the id of a deleted one goes on behind the seasons of that: nothing of the old one counts for it. */
const PUT = `
INSERT INTO leaderboards AS l (id, title, sort, operator, max_points_per_minute, hidden, schedule, late_tokens, grace_ms, keep_seasons,
  season_starts_at, season_ends_at, next_starts_at, next_ends_at, titles, unit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
  ${timestampOr('$11', '-infinity')}, ${timestampOr('$12')}, ${timestampOr('$13')}, ${timestampOr('$14')}, $15, $16)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, sort = excluded.sort, operator = excluded.operator,
  max_points_per_minute = excluded.max_points_per_minute, hidden = excluded.hidden, schedule = excluded.schedule,
  late_tokens = excluded.late_tokens, grace_ms = excluded.grace_ms, keep_seasons = excluded.keep_seasons,
  titles = excluded.titles, unit = excluded.unit,
  season_starts_at = CASE WHEN l.removed_at IS NULL THEN l.season_starts_at ELSE excluded.season_starts_at END,
  season_ends_at = excluded.season_ends_at, next_starts_at = excluded.next_starts_at, next_ends_at = excluded.next_ends_at,
  season = CASE WHEN l.removed_at IS NULL THEN l.season ELSE l.removed_through + 1 END, removed_at = NULL, revision = l.revision + 1,
  frozen_at = CASE WHEN l.removed_at IS NULL THEN l.frozen_at END,
  created_at = CASE WHEN l.removed_at IS NULL THEN l.created_at ELSE now() END
RETURNING season`;
const LABEL = 'UPDATE seasons SET label = $3 WHERE leaderboard_id = $1 AND season = $2 AND label IS NULL';
const MARK_ENDS =
  'UPDATE seasons SET end_is_set = season = $2 AND $3 WHERE leaderboard_id = $1 AND season >= $2';
/** From the season $2 on. */
const SET_LATE = `
UPDATE seasons SET rules = rules || jsonb_build_object('lateTokens', $3::text, 'graceMs', $4::int)
WHERE leaderboard_id = $1 AND season >= $2`;
const SET_NEXT = `
UPDATE seasons SET label = $3, rules = rules || jsonb_build_object('sort', $4::text, 'operator', $5::text)
WHERE leaderboard_id = $1 AND season = $2`;

interface Known extends Pick<Leaderboard, 'sort' | 'operator' | 'revision' | 'season'> {
  readonly schedule: Schedule | null;
  /** How late tokens are taken by the oldest season that takes any: its number follows. */
  readonly lateTokens: 'arrival' | 'issued' | 'refuse';
  readonly graceMs: number;
  readonly oldestOpen: number | null;
  readonly endsAt: number | null;
  readonly nextStartsAt: number | null;
  readonly nextEndsAt: number | null;
  readonly nextLabel: string | null;
  readonly hasEntries: boolean;
}

/**
 * Checks what the schema of the rules cannot express.
 * @param tokenLifetime of action tokens, in seconds
 * @throws Problem `validation-failed`
 */
export function checkGrace({ lateTokens, graceMs = 0 }: LeaderboardRules, tokenLifetime: number): void {
  if (graceMs > 0 && lateTokens !== 'issued') throw invalid('/graceMs', 'goes only with lateTokens: issued');
  if (graceMs > tokenLifetime * 1000)
    throw invalid('/graceMs', `must not be more than the ${tokenLifetime} s that a token is good for`);
}

/** The season in force, and the one behind it. Times are milliseconds since 1970. */
interface Plan {
  /** Of a leaderboard that is made: null if it begins at once, and it may be ahead. */
  readonly startsAt: number | null;
  readonly endsAt: number | null;
  /** Whether that is not what the schedule says. Absent if the schedule stays. */
  readonly endIsSet?: boolean;
  readonly label?: string;
  readonly next: NextSeason | null;
}

/**
 * Makes a leaderboard, or gives it other rules. The season in force ends as it would have anyway: another schedule, and another
 * way to sort or count the scores that there are, or to take late tokens, begin with the next one.
 * @returns the leaderboard as it is then, with the seasons to come
 * @throws Problem `schedule-invalid`, `revision-changed`; `leaderboard-in-use` if it has entries and would sort or count
 * otherwise, and no season is to come; `season-changed` if a season is just beginning, or would be; `service-unavailable` if scores do not
 * pause in time
 */
export async function putLeaderboard(
  client: Queryable,
  rules: LeaderboardRules,
  { ifMatch, dryRun = false }: PutOptions = {},
): Promise<PutLeaderboard> {
  const { id, sort, operator } = rules;
  const given = rules.schedule ?? null;
  const schedule = given && (await checkSchedule(client, given, await databaseTime(client)));
  // What is only tried does not make scores wait: it takes no lock of theirs.
  if (dryRun) await client.query('SAVEPOINT before');
  else await closeFence(client, id);
  // Batches that waited at the fence read the row as it is then only if it was locked FOR UPDATE.
  const lock = `${LOCK} ${dryRun ? 'NO KEY UPDATE' : 'UPDATE'}`;
  const known = (await client.query<Known>(lock, [id])).rows[0] ?? null;
  if (ifMatch !== undefined) checkRevision(id, known, ifMatch);
  const time = await databaseTime(client);
  const plan =
    known === null ? await madeWith(client, schedule, time) : await changedTo(client, schedule, known, time);
  const season = await write(client, { ...rulesInForce(rules, known, plan), schedule }, plan);
  if (plan.next !== null)
    await client.query(SET_NEXT, [id, season + 1, plan.next.label ?? null, sort, operator]);
  const { lateTokens = 'arrival', graceMs = 0 } = rules;
  await client.query(SET_LATE, [id, firstWithNewRules(season, known, plan), lateTokens, graceMs]);
  const definition = await readLeaderboard(client, id);
  if (definition === null) throw noSuchLeaderboard(id);
  const ahead = await seasonsToCome(client, schedule, season, plan, time);
  if (dryRun) await client.query('ROLLBACK TO before');
  else if (plan.endsAt !== known?.endsAt) await checkStillAhead(client, plan.endsAt);
  const rulesAhead = {
    ...{ sort, operator },
    ...(lateTokens !== 'arrival' && { lateTokens }),
    ...(graceMs > 0 && { graceMs }),
  };
  return { ...definition, preview: ahead.map((season) => ({ ...season, ...rulesAhead })) };
}

function checkRevision(id: string, known: Known | null, ifMatch: string): void {
  const current = known === null ? null : `"${known.revision}"`;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (current !== null && (tags.includes('*') || tags.includes(current))) return;
  const found = current === null ? 'there is none' : `it has the revision ${current}`;
  throw new Problem('revision-changed', `The leaderboard "${id}" is not the one of If-Match: ${found}.`);
}

async function madeWith(client: Queryable, schedule: Schedule | null, time: number): Promise<Plan> {
  if (schedule === null) return { startsAt: null, endsAt: null, next: null };
  const [first, next = null] = await seasonsAfter(client, schedule, time, 2);
  return { startsAt: null, endsAt: null, ...first, next };
}

async function changedTo(
  client: Queryable,
  schedule: Schedule | null,
  known: Known,
  time: number,
): Promise<Plan> {
  const { endsAt, nextStartsAt, nextEndsAt, nextLabel } = known;
  if (nextStartsAt !== null && nextStartsAt <= time) throw justBeginning();
  if (isDeepStrictEqual(schedule, known.schedule)) {
    const label = nextLabel === null ? {} : { label: nextLabel };
    if (nextStartsAt !== null)
      return { startsAt: null, endsAt, next: { startsAt: nextStartsAt, endsAt: nextEndsAt, ...label } };
    // It may be computed again: its time zone was unknown to PostgreSQL when the page was turned.
    const next = endsAt === null ? null : await seasonFrom(client, schedule, Math.max(endsAt, time));
    return { startsAt: null, endsAt, next };
  }
  if (endsAt !== null) {
    const next = await seasonFrom(client, schedule, Math.max(endsAt, time));
    return { startsAt: null, endsAt, endIsSet: true, next };
  }
  if (schedule === null) return { startsAt: null, endsAt, next: null };
  // The season in force has no end yet: it ends with the one that is under way by the schedule, or before the first.
  const [first, second = null] = await seasonsAfter(client, schedule, time, 2);
  if (first !== undefined && first.startsAt > time && first.startsAt < time + AHEAD_MS) throw justBeginning();
  if (first === undefined || first.startsAt > time)
    return { startsAt: null, endsAt: first?.startsAt ?? null, endIsSet: false, next: first ?? null };
  return { ...first, startsAt: null, endIsSet: false, next: second };
}

const justBeginning = (): Problem =>
  new Problem('season-changed', 'A season of this leaderboard is just beginning. Try again.');

/** The season in force keeps its rules if it has entries and another one is to come. */
const firstWithNewRules = (season: number, known: Known | null, { next }: Plan): number =>
  known?.hasEntries === true && next !== null ? season + 1 : season;

/** What is in force: with the rules of before, where seasons must keep them. */
function rulesInForce(rules: LeaderboardRules, known: Known | null, plan: Plan): LeaderboardRules {
  if (known === null) return rules;
  const { season, oldestOpen, lateTokens, graceMs } = known;
  const isOfLater = oldestOpen !== null && oldestOpen < firstWithNewRules(season, known, plan);
  return { ...withSortInForce(rules, known, plan), ...(isOfLater && { lateTokens, graceMs }) };
}

function withSortInForce(rules: LeaderboardRules, known: Known, { next }: Plan): LeaderboardRules {
  if (!known.hasEntries) return rules;
  const { sort, operator } = known;
  const isOther = sort !== rules.sort || operator !== rules.operator;
  if (isOther && next === null)
    throw new Problem(
      'leaderboard-in-use',
      `The leaderboard "${rules.id}" has entries: sort and operator cannot be changed from ${sort} and ${operator} before its next season, and none is planned.`,
    );
  return { ...rules, sort, operator };
}

const jsonOrNull = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

/** @returns the number of the season in force */
async function write(client: Queryable, rules: LeaderboardRules, plan: Plan): Promise<number> {
  const { id, title, sort, operator, maxPointsPerMinute = null, hidden = false } = rules;
  const { schedule = null, lateTokens = 'arrival', graceMs = 0, keepSeasons = null } = rules;
  const { titles = null, unit = null } = rules;
  const { rows } = await client.query<{ season: number }>(PUT, [
    ...[id, title, sort, operator, maxPointsPerMinute, hidden],
    ...[jsonOrNull(schedule), lateTokens, graceMs, keepSeasons],
    ...[plan.startsAt, plan.endsAt, plan.next?.startsAt ?? null, plan.next?.endsAt ?? null],
    ...[jsonOrNull(titles), jsonOrNull(unit)],
  ]);
  const season = rows[0]?.season ?? 1;
  if (plan.label !== undefined) await client.query(LABEL, [id, season, plan.label]);
  if (plan.endIsSet !== undefined) await client.query(MARK_ENDS, [id, season, plan.endIsSet]);
  return season;
}

async function seasonsToCome(
  client: Queryable,
  schedule: Schedule | null,
  season: number,
  { startsAt, endsAt, label, next }: Plan,
  time: number,
): Promise<ReturnType<typeof planned>[]> {
  const ahead: NextSeason[] = next === null ? [] : [next];
  if (schedule !== null && next !== null && next.endsAt !== null)
    ahead.push(...(await seasonsAfter(client, schedule, next.endsAt, PREVIEWED - 1)));
  const shown = ahead.map((times, i) => planned(season + 1 + i, times));
  if (startsAt !== null && startsAt > time)
    shown.unshift(planned(season, { startsAt, endsAt, ...(label !== undefined && { label }) }));
  return shown.slice(0, PREVIEWED);
}

const planned = (season: number, { startsAt, endsAt, label }: NextSeason) => ({
  season,
  startsAt: instant(startsAt),
  endsAt: instantOrNull(endsAt),
  label: label ?? null,
});
