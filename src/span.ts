import { now } from './clock.js';
import { invalid } from './errors.js';

/** A span of time, in milliseconds since 1970: from `from` on and before `to`. Null is no bound. */
export interface Span {
  readonly from: number | null;
  readonly to: number | null;
}

const DAY_MS = 86_400_000;
/** The first that RFC 3339 can write and PostgreSQL can hold. */
const FIRST_TIME = Date.parse('0001-01-01T00:00:00Z');

/**
 * The span of a query whose times are as in RFC 3339.
 * @param days how far it reaches back if the query does not say; null is without end
 * @throws Problem `validation-failed` if the times make no span
 */
export function spanOf(query: { readonly from?: string; readonly to?: string }, days: number | null): Span {
  const from = timeOf(query.from);
  const to = timeOf(query.to);
  if (from !== null && to !== null && from >= to) throw invalid('/to', 'must be later than from');
  const reachesBackTo = days === null ? null : Math.max((to ?? now()) - days * DAY_MS, FIRST_TIME);
  return { from: from ?? reachesBackTo, to };
}

const timeOf = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));
