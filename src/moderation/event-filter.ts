import type { EventStatus } from '../../schemas/common.js';
import { invalid } from '../errors.js';
import { CLOCK_SLACK_MS, firstIdAt } from '../ids.js';
import { NEWEST_OF_USER, newestOfUser, ofAnyStatus, olderThan } from '../postgres/events-of-user.js';
import { toUuid } from '../stored-ids.js';

/** Times as in RFC 3339; the events are those from `from` on and before `to`. */
export interface EventFilter {
  readonly status?: EventStatus;
  readonly userId?: string;
  readonly action?: string;
  readonly issuer?: string;
  readonly from?: string;
  readonly to?: string;
}

/** The events of a filter, for a query. Those of one user are in the order of their times, all others in that of their ids. */
interface EventQuery {
  /** SQL: the newest, as a table. */
  newest(limit: number): string;
  /** SQL: all of them, as a table. */
  readonly all: string;
  /** SQL: the newest first. */
  readonly order: string;
  readonly values: unknown[];
}

/**
 * @param before an event; only older ones are found
 * @param more SQL, another condition on `score_events e`
 * @throws Problem `validation-failed` if the times make no span
 */
export function eventQuery(
  { status, userId, action, issuer, from, to }: EventFilter,
  before: string | null = null,
  more = 'true',
): EventQuery {
  for (const [name, time] of Object.entries({ from, to })) {
    // A leap second is a time, but none that a Date can hold.
    if (time !== undefined && Number.isNaN(Date.parse(time))) throw invalid(`/${name}`, 'is no time');
  }
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to))
    throw invalid('/to', 'must be later than from');
  const conditions = [more];
  const values: unknown[] = [];
  const add = (condition: string, value: unknown) => {
    values.push(value);
    conditions.push(`${condition} $${values.length}`);
  };
  if (status !== undefined) add('e.status =', status);
  if (userId !== undefined) add('e.user_id =', toUuid('usr', userId));
  if (action !== undefined) add('e.action_id =', action);
  if (issuer === 'player') conditions.push('e.issued_by = e.user_id');
  else if (issuer?.startsWith('key_')) add('e.signing_key =', issuer);
  else if (issuer !== undefined) add('e.issued_by =', toUuid('svc', issuer));
  if (from !== undefined) {
    add('e.accepted_at >=', new Date(from));
    add('e.id >=', toUuid('evt', firstIdAt('evt', Date.parse(from) - CLOCK_SLACK_MS)));
  }
  if (to !== undefined) {
    add('e.accepted_at <', new Date(to));
    add('e.id <', toUuid('evt', firstIdAt('evt', Date.parse(to) + CLOCK_SLACK_MS)));
  }
  if (before !== null) {
    values.push(toUuid('evt', before));
    const event = `$${values.length}::uuid`;
    conditions.push(userId === undefined ? `e.id < ${event}` : olderThan(event));
  }
  const where = conditions.join(' AND ');
  const all = `SELECT * FROM score_events e WHERE ${where}`;
  if (userId !== undefined)
    return {
      newest: (limit) => newestOfUser(where, limit),
      all: ofAnyStatus((status) => `${all} AND ${status}`),
      order: NEWEST_OF_USER,
      values,
    };
  const order = 'e.id DESC';
  return { newest: (limit) => `(${all} ORDER BY ${order} LIMIT ${limit})`, all: `(${all})`, order, values };
}
