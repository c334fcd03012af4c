import type { Queryable } from '../postgres/database.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';

/** A local time, as the milliseconds since 1970 that a clock in UTC would show it at. */
export type LocalTime = number;

/** Clocks have been set by up to a day, where a country went to the other side of the date line. */
const LONGEST_SHIFT = "interval '24 hours'";

const KNOWN = `
SELECT name FROM pg_timezone_names
WHERE lower(name) = lower($1) AND name !~ '^(posix|right)/' AND name NOT IN ('Factory', 'localtime', 'posixrules')`;

/** The name of a time zone as PostgreSQL spells it, or null if it knows none of this name in any case. */
export async function timeZoneNamed(database: Queryable, name: string): Promise<string | null> {
  return (await database.query<{ name: string }>(KNOWN, [name])).rows[0]?.name ?? null;
}

const offsetAt = (instant: string): string =>
  `((${instant}) AT TIME ZONE $1 - (${instant}) AT TIME ZONE 'UTC')`;

const LOCAL = `
SELECT ${milliseconds("instant AT TIME ZONE 'UTC' + shift")} AS local,
       ${milliseconds(`instant AT TIME ZONE 'UTC' + least(shift, ${offsetAt(`instant - ${LONGEST_SHIFT}`)})`)} AS earliest
FROM unnest($2::float8[]) WITH ORDINALITY AS given (ms, n)
CROSS JOIN LATERAL (SELECT ${timestampAt('ms')} AS instant) instants
CROSS JOIN LATERAL (SELECT ${offsetAt('instant')} AS shift) shifts
ORDER BY n`;

export interface Local {
  readonly local: LocalTime;
  /** Local times before this one were over before the instant, also if they were skipped. */
  readonly earliest: LocalTime;
}

/** What clocks in a time zone show at these instants. */
export async function localTimesAt(
  database: Queryable,
  timeZone: string,
  instants: readonly number[],
): Promise<Local[]> {
  return (await database.query<Local>(LOCAL, [timeZone, instants])).rows;
}

/**
 * PostgreSQL moves a local time that is skipped forward by the gap. Of one that comes twice it takes the second: the first is
 * the one by the offset of the day before, if clocks show the same then.
 */
const INSTANTS = `
SELECT ${milliseconds('instant')} AS instant, instant AT TIME ZONE $1 = local AS "isShown"
FROM unnest($2::float8[]) WITH ORDINALITY AS given (ms, n)
CROSS JOIN LATERAL (SELECT 'epoch'::timestamp + ms * interval '1 millisecond' AS local) locals
CROSS JOIN LATERAL (SELECT local AT TIME ZONE $1 AS last) lasts
CROSS JOIN LATERAL (SELECT (local - ${offsetAt(`last - ${LONGEST_SHIFT}`)}) AT TIME ZONE 'UTC' AS first) firsts
CROSS JOIN LATERAL (
  SELECT CASE WHEN first < last AND first AT TIME ZONE $1 = local THEN first ELSE last END AS instant) instants
ORDER BY n`;

export interface Instant {
  readonly instant: number;
  /** Whether clocks show the local time at this instant: else it is skipped, and the instant later by the gap. */
  readonly isShown: boolean;
}

/** When clocks in a time zone show these local times. */
export async function instantsOf(
  database: Queryable,
  timeZone: string,
  locals: readonly LocalTime[],
): Promise<Instant[]> {
  return (await database.query<Instant>(INSTANTS, [timeZone, locals])).rows;
}
