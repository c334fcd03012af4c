import { achievedAt } from '../postgres/events-of-user.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { isFinal } from '../seasons/corrections.js';
import { boardsOf, countsForSeasonOf, ruleIn } from './event-boards.js';
import type { Rules } from './standing.js';
import { WITHHELD_USERS } from './withheld.js';

/** What is verified: everything if nothing is given. */
export interface Scope {
  readonly leaderboard?: string | undefined;
  readonly season?: number | undefined;
}

/** Something that is stored, and is not what the ledger says. */
export interface Difference {
  /** `<leaderboard>:<season> <user>`, or a token or event. */
  readonly of: string;
  readonly stored: string;
  readonly ledger: string;
}

/** The statements of the verification. They read tables in their order, and sort: they are for a session with `enable_seqscan`. */

/**
 * Makes the snapshot that all statements read, after the lock: events that were dropped between the two would be missing in it,
 * while it knows nothing yet of what is kept in their place.
 */
export const BEGIN = `
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
LOCK TABLE score_events IN ACCESS SHARE MODE`;

/** How many events there are, as the planner reckons it from the size of the table. */
export const ABOUT_HOW_MANY = 'EXPLAIN (FORMAT JSON) SELECT FROM score_events';

/** $1 a leaderboard or null, $2 a season or null. */
export const WHEN_AND_WHAT = `
SELECT ${milliseconds('now()')} AS at, $1::text IS NULL OR EXISTS (SELECT FROM leaderboards WHERE id = $1) AS "isKnown",
       $2::int IS NULL OR EXISTS (
         SELECT FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
         WHERE s.leaderboard_id = $1 AND s.season = $2 AND s.starts_at <= now()) AS "isKnownSeason",
       (SELECT count(*) FROM (
          SELECT DISTINCT s.leaderboard_id, s.season
          FROM scores s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
          WHERE ($1::text IS NULL OR s.leaderboard_id = $1) AND ($2::int IS NULL OR s.season = $2)) b) AS boards`;

const ofSlice = (userId: string) =>
  `($1::int = 1 OR (hashtext(${userId}::text) & 2147483647) % $1::int = $2::int)`;

export interface EventRow {
  readonly userId: string;
  readonly points: number;
  /** When it was accepted, in milliseconds since 1970. */
  readonly at: number;
  /** The same, unless it was imported. */
  readonly achieved: number;
  /** As PostgreSQL writes the column. */
  readonly boards: string;
}
/** What counts, by user and time of acceptance. Events of erased users have no entry. $1 of how many slices $2 is read, $3 a leaderboard or null. */
export const EVENTS = `
SELECT e.user_id AS "userId", e.points, ${milliseconds('e.accepted_at')} AS at, ${milliseconds(achievedAt('e'))} AS achieved,
       e.boards::text AS boards
FROM score_events e
WHERE e.status = 'counted' AND e.id >= (SELECT carried_before FROM archive_progress) AND ${ofSlice('e.user_id')} AND ($3::text IS NULL OR ${countsForSeasonOf('e', '$3::text')})
  AND NOT EXISTS (SELECT FROM users u WHERE u.id = e.user_id AND u.erased_at IS NOT NULL)
ORDER BY e.user_id, e.accepted_at, ${achievedAt('e')}, e.id`;

export interface ArchivedRow extends Rules {
  readonly userId: string;
  readonly leaderboard: string;
  readonly season: number;
  readonly points: string;
  readonly at: number;
}
/** What archived events count for, by user. $1, $2 and $3 as above, $4 a season or null. */
export const ARCHIVED = `
SELECT a.user_id AS "userId", a.leaderboard_id AS leaderboard, a.season, ${ruleIn('sort', 'l', 'a.season')} AS sort,
       ${ruleIn('operator', 'l', 'a.season')} AS operator, a.points::text AS points,
       ${milliseconds('a.achieved_at')} AS at
FROM archived_standings a JOIN leaderboards l ON l.id = a.leaderboard_id AND a.season > l.removed_through
WHERE ${ofSlice('a.user_id')} AND ($3::text IS NULL OR a.leaderboard_id = $3) AND ($4::int IS NULL OR a.season = $4)
  AND NOT EXISTS (SELECT FROM users u WHERE u.id = a.user_id AND u.erased_at IS NOT NULL)
ORDER BY a.user_id`;

export interface EntryRow extends Rules {
  readonly userId: string;
  readonly leaderboard: string;
  readonly season: number;
  readonly score: number | null;
  readonly sortKey: number | null;
  readonly since: number;
  readonly withheldScore: number | null;
  readonly withheldSince: number | null;
  /** Or hidden. */
  readonly isBanned: boolean;
  /** Whether the season is: then a ban, or its end, has changed nothing of the entry. */
  readonly isFinal: boolean;
}
/** What is stored, by user. The places of erased users in final seasons are left out. $1, $2 and $3 as above, $4 a season or null. */
export const ENTRIES = `
SELECT s.user_id AS "userId", s.leaderboard_id AS leaderboard, s.season, ${ruleIn('sort', 'l', 's.season')} AS sort,
       ${ruleIn('operator', 'l', 's.season')} AS operator, s.score, s.sort_key AS "sortKey",
       ${milliseconds('s.achieved_at')} AS since,
       s.withheld_score AS "withheldScore", ${milliseconds('s.withheld_at')} AS "withheldSince",
       s.user_id IN (${WITHHELD_USERS}) AS "isBanned",
       ${isFinal('s')} AS "isFinal"
FROM scores s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
WHERE (s.score IS NOT NULL OR s.withheld_score IS NOT NULL) AND ${ofSlice('s.user_id')}
  AND ($3::text IS NULL OR s.leaderboard_id = $3) AND ($4::int IS NULL OR s.season = $4)
  AND NOT (${isFinal('s')} AND s.user_id IN (SELECT id FROM users WHERE erased_at IS NOT NULL))
ORDER BY s.user_id`;

export interface BoardRow extends Rules {
  readonly boards: string;
  readonly leaderboard: string;
  readonly season: number;
}
/** What events count for. $1 values of their column `boards`. */
export const BOARDS_OF = `
SELECT e.boards::text AS boards, b.leaderboard_id AS leaderboard, b.season, b.sort, b.operator
FROM (SELECT unnest($1::text[])::jsonb AS boards) e, LATERAL (${boardsOf('e')}) b`;

export const HOW_MANY_TOKENS = `SELECT count(*) AS tokens, ${milliseconds('now()')} AS at FROM consumed_tokens`;

/** From here on consumed tokens are keys. */
const FIRST_KEY = 'ff000000-0000-0000-0000-000000000000';

export interface TokenRow {
  readonly tokenId: string;
  readonly eventId: string;
  /** Null if there is no such event. */
  readonly tokenOfEvent: string | null;
}
/** Tokens that were consumed, though not for the event that they name. Keys of imported rows outlive their events. */
export const TOKENS_WITHOUT_EVENT = `
SELECT c.token_id AS "tokenId", c.event_id AS "eventId", e.token_id AS "tokenOfEvent"
FROM consumed_tokens c LEFT JOIN score_events e ON e.id = c.event_id
WHERE e.token_id IS DISTINCT FROM c.token_id
  AND NOT (c.token_id >= '${FIRST_KEY}' AND c.event_id < (SELECT carried_before FROM archive_progress))
ORDER BY c.token_id`;

export interface YoungEventRow {
  readonly eventId: string;
  readonly tokenId: string;
  /** Null if the token is not consumed. */
  readonly eventOfToken: string | null;
}
/** Events whose token is not consumed for them. $1 since when, in milliseconds, $2 an event before which none is as young. */
export const EVENTS_WITHOUT_TOKEN = `
SELECT e.id AS "eventId", e.token_id AS "tokenId", c.event_id AS "eventOfToken"
FROM score_events e LEFT JOIN consumed_tokens c ON c.token_id = e.token_id
WHERE e.id >= $2::uuid AND e.accepted_at > ${timestampAt('$1::float8')} AND c.event_id IS DISTINCT FROM e.id ORDER BY e.id`;
