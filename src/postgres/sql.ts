/** A timestamp as the API writes it. */
export const rfc3339 = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A timestamp in milliseconds since 1970: a number is parsed much faster than a timestamp. */
export const milliseconds = (time: string): string => `round(date_part('epoch', ${time}) * 1000)`;

/** The timestamp of a number of milliseconds since 1970. */
export const timestampAt = (ms: string): string => `'epoch'::timestamptz + ${ms} * interval '1 millisecond'`;

/** The same of a time that may be infinite, which is null then: the start or end of a season. */
export const finiteRfc3339 = (time: string): string =>
  `CASE WHEN isfinite(${time}) THEN ${rfc3339(time)} END`;
export const finiteMilliseconds = (time: string): string =>
  `CASE WHEN isfinite(${time}) THEN ${milliseconds(time)} END`;

/** The timestamp of a parameter in milliseconds since 1970, and infinity for null. */
export const timestampOr = (parameter: string, infinity: 'infinity' | '-infinity' = 'infinity'): string =>
  `coalesce(${timestampAt(`${parameter}::float8`)}, '${infinity}')`;

/**
 * An array as a parameter of a query, of what needs no quotes in one: numbers, booleans and uuids. Other values are left to pg, which
 * looks through each for what it must escape.
 */
export function plainArray<T>(
  items: readonly T[],
  valueIn: (item: T) => number | boolean | string | null,
): string {
  let text = '';
  for (const item of items) text += `,${valueIn(item) ?? 'NULL'}`;
  return `{${text.slice(1)}}`;
}
