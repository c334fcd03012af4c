/**
 * The one answer to "which boards does an event count for?", as pieces of SQL. A board is a leaderboard and a season.
 *
 * A new event counts for the boards that its action feeds, except those that are frozen or closed, each in the season of its time.
 * The event keeps them in its column `boards`, `{"<leaderboard>": <season>}`, so that later changes of the action or of the
 * season do not move it.
 */

/** A rule of the leaderboard whose row is `board`, as it is in one of its seasons. */
export const ruleIn = (rule: 'sort' | 'operator', board: string, season: string): string => `
CASE WHEN ${season} = ${board}.season THEN ${board}.${rule}
     ELSE coalesce((SELECT rules->>'${rule}' FROM seasons r WHERE r.leaderboard_id = ${board}.id AND r.season = ${season}),
                   ${board}.${rule}) END`;

/** The last season of the leaderboard whose row is `board` that has begun by the time `at`. It may be over. */
const begunBy = (board: string, at: string): string => `
SELECT s.season, s.ends_at FROM seasons s
WHERE s.leaderboard_id = ${board}.id AND s.season > ${board}.removed_through AND s.starts_at <= ${at}
ORDER BY s.season DESC LIMIT 1`;

/** When the season before another one has ended, or null. */
const endBefore = (board: string, season: string): string => `
(SELECT p.ends_at FROM seasons p
WHERE p.leaderboard_id = ${board}.id AND p.season > ${board}.removed_through AND p.season = ${season} - 1)`;

/** Whether an event that counts in `season` belongs by its time, or that of its token, to an earlier one. */
export const isLate = (board: string, season: string, acceptedAt: string, issuedAt: string): string => `
coalesce(${endBefore(board, season)} > CASE ${board}.late_tokens WHEN 'issued' THEN ${issuedAt} ELSE ${acceptedAt} END, false)`;

/** How long after its end a season still takes tokens that were issued in it. */
const graceOf = (board: string): string => `${board}.grace_ms * interval '1 millisecond'`;

/** Whether an event is of the season in the row of its board, and no look at others is needed. */
const IS_OF_ROW = `
e.accepted_at >= b.season_starts_at AND e.accepted_at < b.season_ends_at AND e.accepted_at >= b.closed_through
AND (b.late_tokens = 'arrival' OR e.issued_at >= b.season_starts_at)`;
/** Whether the row says that it is of no season. */
const IS_CLOSED = `
e.accepted_at >= b.season_ends_at AND e.accepted_at < b.next_starts_at
AND (b.late_tokens <> 'issued' OR e.issued_at >= b.season_ends_at)`;

/**
 * Where a new event counts on the leaderboard whose row is `b`, as a query of one row: `season` with its `sort`, `operator` and
 * `ends_at`, and whether it is `late`. `skipped` says why the board takes nothing of it: it is `frozen` or `closed`, or it is to be
 * sent again, because the row alone does not say in which `other-season` it counts. `e` has the event's `accepted_at` and `issued_at`,
 * which is not later.
 *
 * The season of an event is decided here and in PLACE alone, which give the same answer. This is for nearly all events: a plan
 * that may look into `seasons` costs each batch a tenth more.
 */
export const PLACE_IN_ROW = `
SELECT b.season, b.sort, b.operator, b.season_ends_at AS ends_at, false AS late,
       CASE WHEN b.frozen_at IS NOT NULL THEN 'frozen' WHEN ${IS_OF_ROW} THEN NULL
            WHEN ${IS_CLOSED} THEN 'closed' ELSE 'other-season' END AS skipped`;

/**
 * The same for events of any season. A board is `unturned` if it does not know the season yet: the event is to be sent again when
 * somebody has turned the page. The answer is the same before and after that, because both read the same rows of `seasons`.
 * A batch that has waited for somebody to set an end, or to turn the page, sees the new row of the board and the old rows of its
 * seasons: where they differ, the board counts as unturned too.
 */
export const PLACE = `
SELECT c.season, ${ruleIn('sort', 'b', 'c.season')} AS sort, ${ruleIn('operator', 'b', 'c.season')} AS operator, c.ends_at,
       ${isLate('b', 'c.season', 'e.accepted_at', 'e.issued_at')} AS late,
       CASE WHEN b.frozen_at IS NOT NULL THEN 'frozen'
            WHEN c.at >= b.next_ends_at THEN 'unturned'
            WHEN c.ends_at <> CASE c.season WHEN b.season THEN b.season_ends_at WHEN b.season + 1 THEN b.next_ends_at END
            THEN 'unturned'
            WHEN NOT EXISTS (SELECT FROM seasons s WHERE s.leaderboard_id = b.id AND s.season = b.season) THEN 'unturned'
            WHEN c.season IS NULL THEN 'closed'
            WHEN b.late_tokens = 'refuse' AND e.issued_at < ${endBefore('b', 'c.season')} THEN 'closed' END AS skipped
FROM (
  SELECT n.at, coalesce(i.season, a.season) AS season, coalesce(i.ends_at, a.ends_at) AS ends_at
  FROM (VALUES (1)) one
  LEFT JOIN LATERAL (${begunBy('b', 'e.accepted_at')}) o ON o.ends_at > e.accepted_at
  -- What was accepted in a season that is closed for good counts in the present one. The batch may have begun before that end.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN o.ends_at <= b.closed_through THEN greatest(now(), b.closed_through) ELSE e.accepted_at END AS at) n
  LEFT JOIN LATERAL (${begunBy('b', 'n.at')}) a ON a.ends_at > n.at
  LEFT JOIN LATERAL (${begunBy('b', 'e.issued_at')}) i
    ON b.late_tokens = 'issued' AND i.ends_at > e.issued_at AND i.ends_at > b.closed_through
       AND e.accepted_at < i.ends_at + ${graceOf('b')}
) c`;

/**
 * The boards that a recorded event counts for, as a query with the columns `leaderboard_id`, `season`, `sort` and `operator`.
 * Seasons that were deleted since are left out.
 */
export const boardsOf = (event: string): string => `
  SELECT l.id AS leaderboard_id, b.value::int AS season, ${ruleIn('sort', 'l', 'b.value::int')} AS sort,
         ${ruleIn('operator', 'l', 'b.value::int')} AS operator
  FROM jsonb_each_text(${event}.boards) b JOIN leaderboards l ON l.id = b.key AND b.value::int > l.removed_through`;

/** Whether a recorded event counts for a board. */
export const countsFor = (event: string, leaderboard: string, season: string): string =>
  `${event}.boards @> jsonb_build_object(${leaderboard}, ${season})`;

/** Whether a recorded event counts for some season of a leaderboard. */
export const countsForSeasonOf = (event: string, leaderboard: string): string =>
  `${event}.boards ? ${leaderboard}`;
