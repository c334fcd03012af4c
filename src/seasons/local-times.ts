import { Cron } from 'croner';
import type { Schedule } from '../../schemas/schedule.js';
import type { LocalTime } from './time-zones.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The average length of each unit. */
const UNIT_MS = {
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30.436875 * DAY_MS,
  quarter: 91.310625 * DAY_MS,
  year: 365.2425 * DAY_MS,
};
const ANY_MIDNIGHT = Date.UTC(2000, 0, 1);
const FIRST_MONDAY = Date.UTC(1970, 0, 5);
/** Times are written with a year of four digits. */
const END = Date.UTC(9999, 0);

/** What a schedule with `every` says, and nothing is absent. */
interface Repetition {
  readonly every: keyof typeof UNIT_MS;
  readonly weekday: number;
  readonly day: number;
  /** Milliseconds since midnight. */
  readonly at: number;
}

/**
 * The local times at which a schedule without `seasons` begins a season, in order, from `start` on.
 * @param anchor intervals are counted from the first one at or after it; from 1970 if it is null
 * @throws Error if `cron` is malformed
 */
export function* localTimes(
  { every, interval = 1, at = '00:00', weekday = 1, day = 1, cron = '' }: Schedule,
  start: LocalTime,
  anchor: LocalTime | null,
): Generator<LocalTime> {
  const times =
    every === undefined
      ? matching(cron, start)
      : repeated({ every, weekday, day, at: Date.parse(`1970-01-01T${at}Z`) }, interval, start, anchor);
  for (const time of times) {
    if (time >= END) return;
    yield time;
  }
}

/**
 * What a time zone makes of a local time is for the database to say: here it is taken for a time in UTC. The days on which a pattern
 * matches are looked for, and its times of the day are the same on each: to look for every time takes ten times as long.
 */
function* matching(cron: string, start: LocalTime): Generator<LocalTime> {
  const [minute, hour, ...days] = cron.trim().split(/\s+/);
  const hours = matchesBefore(`0 ${hour} * * *`, DAY_MS);
  const minutes = matchesBefore(`${minute} * * * *`, HOUR_MS);
  const times = hours.flatMap((ofHour) => minutes.map((ofMinute) => ofHour + ofMinute));
  const pattern = patternOf(`0 0 ${days.join(' ')}`);
  const midnight = start - (((start % DAY_MS) + DAY_MS) % DAY_MS);
  for (let day = pattern.nextRun(new Date(midnight - 1)); day !== null; day = pattern.nextRun(day))
    for (const time of times) if (day.getTime() + time >= start) yield day.getTime() + time;
}

/** How long after midnight a pattern matches, each time until `end`, in milliseconds. */
function matchesBefore(cron: string, end: number): number[] {
  const pattern = patternOf(cron);
  const matches: number[] = [];
  for (let next = pattern.nextRun(new Date(ANY_MIDNIGHT - 1)); next !== null; next = pattern.nextRun(next)) {
    if (next.getTime() >= ANY_MIDNIGHT + end) break;
    matches.push(next.getTime() - ANY_MIDNIGHT);
  }
  return matches;
}

const patternOf = (cron: string): Cron => new Cron(cron, { mode: '5-part', utcOffset: 0 });

function* repeated(
  repetition: Repetition,
  interval: number,
  start: LocalTime,
  anchor: LocalTime | null,
): Generator<LocalTime> {
  const phase = anchor === null ? 0 : firstUnit(repetition, anchor);
  const behind = firstUnit(repetition, start) - phase;
  for (let unit = phase + Math.ceil(behind / interval) * interval; ; unit += interval)
    yield startOf(repetition, unit);
}

/** The first unit that starts at `time` or later. */
function firstUnit(repetition: Repetition, time: LocalTime): number {
  // Some start late in what their number stands for: hours by the time of day, months by the day.
  let unit = Math.floor((time - DAY_MS) / UNIT_MS[repetition.every]) - 2;
  while (startOf(repetition, unit) < time) unit++;
  return unit;
}

/** When an hour, day and so on starts, by its number: the first of 1970 is 0. */
function startOf({ every, weekday, day, at }: Repetition, unit: number): LocalTime {
  switch (every) {
    case 'hour':
    case 'day':
      return unit * UNIT_MS[every] + at;
    case 'week':
      return FIRST_MONDAY + unit * UNIT_MS.week + (weekday - 1) * DAY_MS + at;
    default: {
      const months = { month: 1, quarter: 3, year: 12 }[every];
      return (day === -1 ? Date.UTC(1970, (unit + 1) * months, 0) : Date.UTC(1970, unit * months, day)) + at;
    }
  }
}
