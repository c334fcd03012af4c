import { now } from './clock.js';
import { invalid } from './errors.js';

/** A span of time, in milliseconds since 1970: from `from` on and before `to`. Null is no bound. */
export interface Span {
  readonly from: number | null;
  readonly to: number | null;
}

const DAY_MS = 86_400_000;

/**
 * The span of a query whose times are as in RFC 3339.
 * @param days how far it reaches back if the query does not say; null is without end
 * @throws Problem `validation-failed` if the times make no span
 */
export function spanOf(query: { readonly from?: string; readonly to?: string }, days: number | null): Span {
  const from = timeOf('from', query.from);
  const to = timeOf('to', query.to);
  if (from !== null && to !== null && from >= to) throw invalid('/to', 'must be later than from');
  return { from: from ?? (days === null ? null : (to ?? now()) - days * DAY_MS), to };
}

function timeOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = Date.parse(text);
  // A leap second is a time, but none that a Date can hold.
  if (Number.isNaN(ms)) throw invalid(`/${name}`, 'is no time');
  return ms;
}
