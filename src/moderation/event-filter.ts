import type { EventStatus } from '../../schemas/common.js';
import { invalid } from '../errors.js';
import { CLOCK_SLACK_MS, firstIdAt } from '../ids.js';

/** Times as in RFC 3339; the events are those from `from` on and before `to`. */
export interface EventFilter {
  readonly status?: EventStatus;
  readonly userId?: string;
  readonly action?: string;
  readonly issuer?: string;
  readonly from?: string;
  readonly to?: string;
}

/**
 * The condition on `score_events e`, and what stands for its parameters.
 * @throws Problem `validation-failed` if the times make no span
 */
export function eventsWhere({ status, userId, action, issuer, from, to }: EventFilter): {
  where: string;
  values: unknown[];
} {
  for (const [name, time] of Object.entries({ from, to })) {
    // A leap second is a time, but none that a Date can hold.
    if (time !== undefined && Number.isNaN(Date.parse(time))) throw invalid(`/${name}`, 'is no time');
  }
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to))
    throw invalid('/to', 'must be later than from');
  const conditions = ['true'];
  const values: unknown[] = [];
  const add = (condition: string, value: unknown) => {
    values.push(value);
    conditions.push(`${condition} $${values.length}`);
  };
  if (status !== undefined) add('e.status =', status);
  if (userId !== undefined) add('e.user_id =', userId);
  if (action !== undefined) add('e.action_id =', action);
  if (issuer !== undefined) add(issuer.startsWith('key_') ? 'e.signing_key =' : 'e.issued_by =', issuer);
  if (from !== undefined) {
    add('e.accepted_at >=', new Date(from));
    add('e.id >=', firstIdAt('evt', Date.parse(from) - CLOCK_SLACK_MS));
  }
  if (to !== undefined) {
    add('e.accepted_at <', new Date(to));
    add('e.id <', firstIdAt('evt', Date.parse(to) + CLOCK_SLACK_MS));
  }
  return { where: conditions.join(' AND '), values };
}
