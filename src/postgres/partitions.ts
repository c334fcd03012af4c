import { errorCode } from '../error-code.js';
import { firstIdAt, type IdPrefix } from '../ids.js';
import { toUuid } from '../stored-ids.js';
import { briefly, NotNow } from './briefly.js';
import type { Queryable } from './database.js';
import { SQLSTATE } from './errors.js';
import { LOCK_TIMEOUT_MS } from './patiently.js';

/** A table with a partition for each period of the time in its key, and a default one for all other keys. */
interface Partitioned {
  readonly table: string;
  readonly key: string;
  readonly prefix: IdPrefix;
  readonly period: Period;
  /** How many partitions there are beyond the one of now. */
  readonly ahead: number;
}

/** A division of time. Both functions take and give milliseconds since 1970. */
interface Period {
  /** When the period begins that holds this time. */
  readonly startOf: (ms: number) => number;
  readonly next: (start: number) => number;
  /** How many digits of a date name it. */
  readonly digits: number;
}

const DAY_MS = 86_400_000;
const DAY: Period = {
  startOf: (ms) => Math.floor(ms / DAY_MS) * DAY_MS,
  next: (start) => start + DAY_MS,
  digits: 8,
};
const firstOfMonth = (ms: number, later = 0): number => {
  const date = new Date(ms);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later);
};
const MONTH: Period = {
  startOf: firstOfMonth,
  next: (start) => firstOfMonth(start, 1),
  digits: 6,
};

/** Where no job runs for so long, scores go into the default partition. */
export const SCORE_EVENTS: Partitioned = {
  table: 'score_events',
  key: 'id',
  prefix: 'evt',
  period: MONTH,
  ahead: 12,
};
export const CONSUMED_TOKENS: Partitioned = {
  table: 'consumed_tokens',
  key: 'token_id',
  prefix: 'tok',
  period: DAY,
  ahead: 7,
};
const ALL = [SCORE_EVENTS, CONSUMED_TOKENS];

interface Partition {
  readonly name: string;
  /** From this time on. */
  readonly start: number;
  /** Before this time. */
  readonly end: number;
}

/** To attach a partition, PostgreSQL reads the whole default one while it is locked. A larger one is left alone. */
export const LARGEST_DEFAULT_BYTES = 64 * 2 ** 20;

const DEFAULT_PARTITIONS = `
SELECT t AS table, pg_relation_size(to_regclass(t || '_default')) AS bytes FROM unnest($1::text[]) t`;
const PARTITIONS = `
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1)`;

/** How large the default partitions are. One above LARGEST_DEFAULT_BYTES keeps new partitions from being made. */
export async function defaultPartitions(client: Queryable): Promise<{ table: string; bytes: number }[]> {
  const { rows } = await client.query<{ table: string; bytes: number }>(DEFAULT_PARTITIONS, [
    ALL.map(({ table }) => table),
  ]);
  return rows;
}

/** The partitions of periods that a table has, the oldest first. */
export async function partitionsOf(client: Queryable, { table, period }: Partitioned): Promise<Partition[]> {
  const { rows } = await client.query<{ name: string }>(PARTITIONS, [table]);
  return rows
    .flatMap(({ name }) => {
      const [, year = '', month = '', day = '01'] = /_(\d{4})(\d\d)(\d\d)?$/.exec(name) ?? [];
      const start = Date.UTC(Number(year), Number(month) - 1, Number(day));
      return year === '' ? [] : [{ name, start, end: period.next(start) }];
    })
    .sort((a, b) => a.start - b.start);
}

/**
 * Makes one partition that is missing of those that are to be there, so that locks are held for a moment. A period that has
 * rows in the default partition is left to that.
 * @param now in milliseconds since 1970
 * @returns whether there may be more to do: `later` if a lock was not to be had
 */
export async function makeNextPartition(client: Queryable, now: number): Promise<'done' | 'more' | 'later'> {
  for (const partitioned of ALL) {
    const known = new Set((await partitionsOf(client, partitioned)).map(({ name }) => name));
    for (const partition of wanted(partitioned, now)) {
      if (known.has(partition.name) || !(await canAttach(client, partitioned, partition))) continue;
      return (await briefly(client, () => attach(client, partitioned, partition))) ? 'more' : 'later';
    }
  }
  return 'done';
}

function* wanted({ table, period, ahead }: Partitioned, now: number): Generator<Partition> {
  for (let start = period.startOf(now), n = 0; n <= ahead; start = period.next(start), n++) {
    const date = new Date(start).toISOString().replaceAll('-', '').slice(0, period.digits);
    yield { name: `${table}_${date}`, start, end: period.next(start) };
  }
}

/** The first id of a time, as it is stored. @param ms since 1970 */
export const firstKey = (prefix: IdPrefix, ms: number): string => toUuid(prefix, firstIdAt(prefix, ms)) ?? '';
/** The time in an id as it is stored, in milliseconds since 1970. */
export const timeOfKey = (uuid: string): number =>
  Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) || 0;

async function canAttach(
  client: Queryable,
  { table, key, prefix }: Partitioned,
  { start, end }: Partition,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT WHERE pg_relation_size('${table}_default') <= ${LARGEST_DEFAULT_BYTES}
       AND NOT EXISTS (SELECT FROM ${table}_default WHERE ${key} >= $1 AND ${key} < $2)`,
    [firstKey(prefix, start), firstKey(prefix, end)],
  );
  return rowCount === 1;
}

/** A table that is made as a partition locks out everybody who reads or writes the others; one that is attached does not. */
async function attach(
  client: Queryable,
  { table, prefix }: Partitioned,
  { name, start, end }: Partition,
): Promise<void> {
  await client.query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
  await client.query(
    `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${firstKey(prefix, start)}') TO ('${firstKey(prefix, end)}')`,
  );
}

/**
 * Drops a partition, as a change of `briefly`. From when it asks for its locks until the transaction ends, all who use the table wait.
 * It needs several, each with a limit of its own: this one is for all of them.
 */
export async function dropPartition(client: Queryable, name: string): Promise<void> {
  try {
    await client.query(
      `SET LOCAL statement_timeout = ${LOCK_TIMEOUT_MS}; DROP TABLE ${name}; SET LOCAL statement_timeout = DEFAULT`,
    );
  } catch (cause) {
    if (errorCode(cause) !== SQLSTATE.queryCanceled) throw cause;
    throw new NotNow(`${name} is in use`, { cause });
  }
}
