import { now } from '../clock.js';
import type { Answer } from './post.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** How long after a failed try the next one is, in milliseconds. Source: the example of Standard Webhooks 1.0.0. */
const DELAYS_MS = [
  5 * SECOND_MS,
  ...[5, 30].map((minutes) => minutes * MINUTE_MS),
  ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_MS),
];
const VARIED_BY = 0.1;
/** A receiver that asks for more is tried earlier than it likes. */
const MAX_PAUSE_MS = 24 * HOUR_MS;

/**
 * When to try again, in milliseconds from now; null if that was the last try.
 * @param failed how many tries have failed, from 1
 */
export function nextTryMs(failed: number): number | null {
  const delay = DELAYS_MS[failed - 1];
  return delay === undefined ? null : delay * (1 + VARIED_BY * (2 * Math.random() - 1));
}

/** Whether a receiver has taken what was sent. */
export const isSuccess = ({ status }: Pick<Answer, 'status'>): boolean => status >= 200 && status < 300;

/** How long a receiver that has failed wants to be left alone, in milliseconds: `Retry-After`. 0 if it does not say. */
export const pauseMs = (answer: Answer): number =>
  isSuccess(answer) ? 0 : msOf(answer.headers['retry-after']);

/** A time from now, as HTTP writes it: seconds or a date. At most a day. */
export function msOf(text = ''): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * SECOND_MS : Date.parse(text) - now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), MAX_PAUSE_MS);
}
