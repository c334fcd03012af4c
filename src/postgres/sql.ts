/** A timestamp as the API writes it. */
export const rfc3339 = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A timestamp in milliseconds since 1970: a number is parsed much faster than a timestamp. */
export const milliseconds = (time: string): string => `round(date_part('epoch', ${time}) * 1000)`;

/** The timestamp of a number of milliseconds since 1970. */
export const timestampAt = (ms: string): string => `'epoch'::timestamptz + ${ms} * interval '1 millisecond'`;
