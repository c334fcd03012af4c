/**
 * The one answer to "which boards does an event count for?", as pieces of SQL. A board is a leaderboard and a season.
 *
 * A new event counts for the boards that its action feeds, except those that are frozen, each in the season of the event's
 * `accepted_at`. The event keeps them in its column `boards`, `{"<leaderboard>": <season>}`, so that later changes of the
 * action or of the season do not move it.
 */

/** The season of a new event on the leaderboard whose row is `board`. The only place where a season is decided. */
export type SeasonAt = (board: string, acceptedAt: string) => string;
export const seasonAt: SeasonAt = (board) => `${board}.season`;

/** Why the leaderboard whose row is `board` takes nothing of a new event, or null if it counts. */
export const skippedBy = (board: string): string =>
  `CASE WHEN ${board}.frozen_at IS NOT NULL THEN 'frozen' END`;

/**
 * The boards that a recorded event counts for, as a query with the columns `leaderboard_id`, `season`, `sort` and `operator`.
 * Seasons that were deleted since are left out.
 */
export const boardsOf = (event: string): string => `
  SELECT l.id AS leaderboard_id, b.value::int AS season, l.sort, l.operator
  FROM jsonb_each_text(${event}.boards) b JOIN leaderboards l ON l.id = b.key AND b.value::int > l.removed_through`;

/** Whether a recorded event counts for a board. */
export const countsFor = (event: string, leaderboard: string, season: string): string =>
  `${event}.boards @> jsonb_build_object(${leaderboard}, ${season})`;

/** Whether a recorded event counts for some season of a leaderboard. */
export const countsForSeasonOf = (event: string, leaderboard: string): string =>
  `${event}.boards ? ${leaderboard}`;
