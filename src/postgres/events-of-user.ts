/**
 * The events of one user, whatever their status, as `score_events e`. Each is in one of two indexes, by whether it counts, and
 * PostgreSQL uses them only for a query that names the one or the other. Partitions are found by the ids of events, not by their
 * times: a query of a span of time has a condition on the id too.
 * @param query SQL, with the given condition
 */
export const ofAnyStatus = (query: (status: string) => string): string => `(
  (${query("e.status = 'counted'")}) UNION ALL (${query("e.status <> 'counted'")}))`;

/** SQL: when the points of an event were achieved: as its import says, and else when it was accepted. */
export const achievedAt = (event: string): string => `coalesce(${event}.achieved_at, ${event}.accepted_at)`;

export const NEWEST_OF_USER = 'e.accepted_at DESC, e.id DESC';

/** What comes in this order behind an event of the user. @param event SQL, the id */
export const olderThan = (event: string): string =>
  `(e.accepted_at, e.id) < ((SELECT accepted_at FROM score_events WHERE id = ${event}), ${event})`;

/**
 * The newest events of a user, as a table. Those of either index are limited before they are merged.
 * @param where SQL, the user and what else is asked for
 */
export const newestOfUser = (where: string, limit: number | string): string =>
  ofAnyStatus(
    (status) =>
      `SELECT * FROM score_events e WHERE ${where} AND ${status} ORDER BY ${NEWEST_OF_USER} LIMIT ${limit}`,
  );
