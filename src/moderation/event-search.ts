import type pg from 'pg';
import type { EventStatus } from '../../schemas/common.js';
import { now } from '../clock.js';
import type { Found, Position } from '../cursor.js';
import { errorCode } from '../error-code.js';
import { CLOCK_SLACK_MS } from '../ids.js';
import { countsFor } from '../ledger/event-boards.js';
import { IN_ORDER_OF_INDEXES } from '../ledger/statements.js';
import type { Queryable } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';
import { NEWEST_OF_USER, ofAnyStatus } from '../postgres/events-of-user.js';
import { firstKey, timeOfKey } from '../postgres/partitions.js';
import { milliseconds } from '../postgres/sql.js';
import type { Span } from '../span.js';
import { toUuid } from '../stored-ids.js';

export interface EventFilter {
  readonly status?: EventStatus;
  readonly userId?: string;
  readonly action?: string;
  readonly issuer?: string;
  /** Only those that count for it. */
  readonly board?: { readonly leaderboard: string; readonly season: number };
}

/** The events of a filter. Those of one user are in the order of their times, all others in that of their ids. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly to: number;
  /** The oldest id that there can be, and its time. */
  readonly since: number;
  /** SQL: conditions on `score_events e` that an index is followed by. */
  readonly span: string;
  /** SQL: the other ones. */
  readonly wanted: string;
  readonly values: readonly unknown[];
}

/** Players ask for their own tokens, each with another id: in `score_events_search_idx` they are one issuer. */
const PLAYER = '00000000-0000-0000-0000-000000000000';
const ISSUER = `CASE WHEN e.issued_by = e.user_id THEN '${PLAYER}'::uuid ELSE e.issued_by END`;

/** @param more SQL, another condition on `score_events e` */
export function eventQuery(filter: EventFilter, { from, to }: Span, more = 'true'): EventQuery {
  const { status, userId, action, issuer, board } = filter;
  const values: unknown[] = [];
  const span = ['true'];
  const wanted = [more];
  const add = (conditions: string[], condition: string, value: unknown) =>
    conditions.push(`${condition} $${values.push(value)}`);
  const since = from === null ? 0 : from - CLOCK_SLACK_MS;
  if (from !== null) {
    add(span, 'e.accepted_at >=', new Date(from));
    add(span, 'e.id >=', firstKey('evt', since));
  }
  if (to !== null) {
    add(span, 'e.accepted_at <', new Date(to));
    add(span, 'e.id <', firstKey('evt', to + CLOCK_SLACK_MS));
  }
  if (userId !== undefined) add(span, 'e.user_id =', toUuid('usr', userId));
  if (status !== undefined) add(wanted, 'e.status =', status);
  if (action !== undefined) add(wanted, 'e.action_id =', action);
  if (board !== undefined) {
    const [leaderboard, season] = [values.push(board.leaderboard), values.push(board.season)];
    wanted.push(countsFor('e', `$${leaderboard}::text`, `$${season}::int`));
  }
  if (issuer?.startsWith('key_')) add(wanted, 'e.signing_key =', issuer);
  else if (issuer !== undefined)
    add(wanted, `${ISSUER} =`, issuer === 'player' ? PLAYER : toUuid('svc', issuer));
  return { filter, to: to ?? now(), since, span: span.join(' AND '), wanted: wanted.join(' AND '), values };
}

type Statement = Required<Pick<pg.QueryConfig, 'text' | 'values'>>;

/** How many events there are, as `total`. */
export function countOf({ filter, span, wanted, values }: EventQuery): Statement {
  const found = (status: string) => `SELECT FROM score_events e WHERE ${span} AND ${wanted} AND ${status}`;
  const events = filter.userId === undefined ? `(${found('true')})` : ofAnyStatus(found);
  return { text: `SELECT count(*) AS total FROM ${events} e`, values: [...values] };
}

const orderOf = ({ userId }: EventFilter): string => (userId === undefined ? 'e.id DESC' : NEWEST_OF_USER);

/** The time by which events are in order: their own, or that in their ids. */
const timeOf = ({ userId }: EventFilter, { at, id }: Position): number =>
  userId === undefined ? timeOfKey(id) : at;
/** Behind all of this time and later. */
const positionAt = ({ userId }: EventFilter, at: number): Position => ({
  at,
  id: userId === undefined ? firstKey('evt', at) : firstKey('evt', 0),
});

/** SQL: the condition of what is behind a position, whose values are added. */
function isBehind({ userId }: EventFilter, { at, id }: Position, values: unknown[]): string {
  const older = `$${values.push(id)}`;
  if (userId === undefined) return `e.id < ${older}`;
  // By the second condition the partitions of later times are left out.
  return `(e.accepted_at, e.id) < ($${values.push(new Date(at))}, ${older}) AND e.id < $${values.push(firstKey('evt', at + CLOCK_SLACK_MS))}`;
}

/** SQL: the condition of what is of a time or later. */
function isSince({ userId }: EventFilter, since: number, values: unknown[]): string {
  const id = (ms: number) => `e.id >= $${values.push(firstKey('evt', ms))}`;
  if (userId === undefined) return id(since);
  return `e.accepted_at >= $${values.push(new Date(since))} AND ${id(since - CLOCK_SLACK_MS)}`;
}

/** What is selected beside the columns of a search. */
const PLACE = `e.id, ${milliseconds('e.accepted_at')} AS at`;
interface Place extends Position {
  readonly isWanted: boolean;
  readonly isLast?: boolean;
  readonly areTooMany?: boolean;
}

/** SQL: a query, with the conditions that lead to the indexes in order. Of a user, and what does not count, have indexes of their own. */
function ofIndexes({ status, userId }: EventFilter, query: (condition: string) => string): string {
  if (userId === undefined)
    return `(${query(status === undefined || status === 'counted' ? 'true' : `e.status = '${status}'`)})`;
  if (status === undefined) return ofAnyStatus(query);
  return `(${query(status === 'counted' ? "e.status = 'counted'" : "e.status <> 'counted'")})`;
}

/**
 * Those that are wanted among so many events behind a position, along an index in their order. The last of these events is in the
 * result in any case: if there is no such row, nothing is left behind them.
 */
function walk(
  { filter, span, wanted, values: shared }: EventQuery,
  columns: string,
  behind: Position | null,
  events: number,
  limit: number,
): Statement {
  const values = [...shared];
  const order = orderOf(filter);
  const range = behind === null ? span : `${span} AND ${isBehind(filter, behind, values)}`;
  const newest = (which: string) =>
    `SELECT * FROM score_events e WHERE ${range} AND ${which} ORDER BY ${order} LIMIT ${events}`;
  const text = `
SELECT ${columns}, ${PLACE}, e.is_wanted AS "isWanted", e.n = ${events} AS "isLast"
FROM (
  SELECT e.*, row_number() OVER (ORDER BY ${order}) AS n, (${wanted}) IS TRUE AS is_wanted
  FROM (SELECT * FROM ${ofIndexes(filter, newest)} e ORDER BY ${order} LIMIT ${events}) e
) e
WHERE e.is_wanted OR e.n = ${events} ORDER BY ${order} LIMIT ${limit}`;
  return { text, values };
}

/**
 * Those that are wanted between a position and a time, by the index that knows where there are none. If there are more than `MOST_SIFTED`, each row says so, and they need not be the newest.
 */
function sift(
  { filter, span, wanted, values: shared }: EventQuery,
  columns: string,
  behind: Position,
  since: number,
  limit: number,
): Statement {
  const values = [...shared];
  const range = `${span} AND ${isBehind(filter, behind, values)} AND ${isSince(filter, since, values)}`;
  const all = (which: string) => `SELECT * FROM score_events e WHERE ${range} AND ${wanted} AND ${which}`;
  const text = `
WITH found AS MATERIALIZED (SELECT * FROM ${ofIndexes(filter, all)} e LIMIT ${MOST_SIFTED + 1})
SELECT ${columns}, ${PLACE}, true AS "isWanted", (SELECT count(*) > ${MOST_SIFTED} FROM found) AS "areTooMany"
FROM found e ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
  return { text, values };
}

/** How many events are looked at first: most pages are full then. */
const FIRST_EVENTS = 1_000;
/** How many events are sorted at a time to find the newest. */
const MOST_SIFTED = 4_000;
/** By how much a step may be larger than the one before, which has shown how long that takes, and is smaller than one that was too large. */
const GROWTH = 4;
const SHRINKAGE = 16;
/** Many events may have the same time. */
const SHORTEST_MS = 1_000;
/** How long a step may take in any case, in milliseconds. */
const STEP_MS = 50;

interface Search {
  /** SQL, of `score_events e`. */
  readonly columns: string;
  readonly behind: Position | null;
  readonly limit: number;
  /** About how long it may take, in milliseconds. */
  readonly ms: number;
}

/**
 * The newest events of a query, in a transaction of the client. Where they are too rare to be found in its time, it ends with those
 * that it has, and goes on from there.
 *
 * It first looks at a thousand events, and then takes spans of time, which are as long as the time allows.
 */
export async function search<Row extends object>(
  client: Queryable,
  query: EventQuery,
  { columns, behind, limit, ms }: Search,
): Promise<Found<Row & Place>> {
  // PostgreSQL expects few events of a user, and would rather read and sort them all.
  await client.query(IN_ORDER_OF_INDEXES);
  const end = performance.now() + ms;
  const { filter } = query;
  const items: (Row & Place)[] = [];
  let rest = behind;
  /** Of the next span of time, in milliseconds. */
  let length = 0;
  for (;;) {
    const started = performance.now();
    const left = limit - items.length;
    const since =
      rest && length > 0 ? Math.max(Math.floor(timeOf(filter, rest) - length), query.since) : null;
    const rows = await (rest === null || since === null
      ? // This is never cut off: every search gets further.
        attempt<Row & Place>(client, walk(query, columns, rest, Math.max(FIRST_EVENTS, limit), left))
      : // A step that is leaves time for a smaller one.
        attempt<Row & Place>(
          client,
          sift(query, columns, rest, since, left),
          Math.max((end - started) / 3, STEP_MS),
        ));
    const ended = performance.now();
    const took = ended - started;
    if (rows === null) {
      length /= SHRINKAGE;
    } else {
      items.push(...rows.filter(({ isWanted }) => isWanted));
      const last = rows.at(-1);
      if (last && items.length === limit) return { items, rest: { at: last.at, id: last.id } };
      if (since === null) {
        if (last?.isLast !== true) return { items, rest: null };
        rest = { at: last.at, id: last.id };
        length = Math.max(
          (behind === null ? query.to : timeOf(filter, behind)) - timeOf(filter, rest),
          SHORTEST_MS,
        );
      } else {
        if (since === query.since) return { items, rest: null };
        rest = positionAt(filter, since);
      }
      length *= Math.min(GROWTH, (end - ended) / took);
    }
    if (end - ended < took) return { items, rest };
  }
}

/** The rows of a statement, or null if they are too many, or take longer than `ms`. */
async function attempt<Row extends Place>(
  client: Queryable,
  statement: Statement,
  ms?: number,
): Promise<Row[] | null> {
  // A bitmap of where events may be costs little, and the primary key would lead to all of them. PostgreSQL thinks otherwise.
  const settings = `SET LOCAL enable_indexscan = off; SET LOCAL statement_timeout = ${Math.ceil(ms ?? 0)}`;
  await client.query(`SAVEPOINT step; ${ms === undefined ? '' : settings}`);
  try {
    const { rows } = await client.query<Row>(statement);
    return rows[0]?.areTooMany === true ? null : rows;
  } catch (error) {
    if (errorCode(error) !== SQLSTATE.queryCanceled) throw error;
    return null;
  } finally {
    await rollBack(client);
  }
}

/** Takes the settings of a step back. Until then they hold for this statement too, which may wait for a core for longer. */
async function rollBack(client: Queryable): Promise<void> {
  try {
    await client.query('ROLLBACK TO step');
  } catch (error) {
    if (errorCode(error) !== SQLSTATE.queryCanceled) throw error;
    await client.query('ROLLBACK TO step');
  }
}
