import { type ScoreUnit, scoreFormat } from '../../src/score-format.js';

const LANGUAGE = 'en';
const whole = new Intl.NumberFormat(LANGUAGE);
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: 'auto', style: 'short' });
const dateAndTime = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' });
const precise = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'full', timeStyle: 'long' });

export const number = (value: number): string => whole.format(value);
export const countOf = ({ count, isMore }: { count: number; isMore: boolean }): string =>
  `${number(count)}${isMore ? '+' : ''}`;

const formats = new Map<string, (score: number) => string>();
/** A score as its board writes it. */
export function score(value: number, unit?: ScoreUnit): string {
  const key = JSON.stringify(unit ?? null);
  const format = formats.get(key) ?? scoreFormat(unit, LANGUAGE);
  formats.set(key, format);
  return format(value);
}

export const moment = (time: string): string => dateAndTime.format(new Date(time));
export const preciseMoment = (time: string): string => precise.format(new Date(time));

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;
/** “5 min. ago”, “in 2 days”. @param now in milliseconds */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(time) - now) / 1_000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS[3];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** The time of an input of type `datetime-local`, which is of this place, as the API takes it; undefined if it is empty. */
export const fromLocal = (value: string): string | undefined =>
  value === '' ? undefined : new Date(value).toISOString();
/** The same the other way round. */
export function toLocal(time: string | null | undefined): string {
  if (!time) return '';
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
