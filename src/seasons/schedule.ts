import type { Schedule } from '../../schemas/schedule.js';
import type { Queryable } from '../postgres/database.js';
import { localTimes } from './local-times.js';
import { instantsOf, localTimesAt } from './time-zones.js';

/** A season is at least this long. */
export const SHORTEST_SEASON_MS = 60_000;

/** A season of a schedule: the end is no part of it. Times are milliseconds since 1970. */
export interface SeasonTimes {
  readonly startsAt: number;
  readonly endsAt: number;
  readonly label?: string;
}

/**
 * The seasons of a schedule from an instant on, in order: at most `count`, fewer if the schedule has an end. One that is under
 * way begins at `after`, unless less than 60 s of it are left. Without a gap to that one, so does the next.
 * @throws Error if the schedule is malformed, or the database does not know its time zone
 */
export async function seasonsAfter(
  database: Queryable,
  schedule: Schedule,
  after: number,
  count: number,
): Promise<SeasonTimes[]> {
  for (let ahead = count + 2; ; ahead *= 2) {
    const { times, isAll } = await timesAfter(database, schedule, after, ahead);
    const seasons = clipped(times, after);
    if (seasons.length >= count || isAll) return seasons.slice(0, count);
  }
}

/** A season that follows another one. Its end is open if `endsAt` is null. */
export type NextSeason = Omit<SeasonTimes, 'endsAt'> & { readonly endsAt: number | null };

/**
 * The season that follows one that ends at `endsAt`: as the schedule says, or without a schedule one that is ended by hand.
 * Null if the schedule has no further season.
 */
export async function seasonFrom(
  database: Queryable,
  schedule: Schedule | null,
  endsAt: number,
): Promise<NextSeason | null> {
  if (schedule === null) return { startsAt: endsAt, endsAt: null };
  const [next = null] = await seasonsAfter(database, schedule, endsAt, 1);
  return next;
}

function clipped(times: readonly SeasonTimes[], after: number): SeasonTimes[] {
  const notOver = times.filter(({ endsAt }) => endsAt > after);
  const ahead = notOver.map((season) => ({ ...season, startsAt: Math.max(season.startsAt, after) }));
  const isWhole = notOver.every(({ startsAt }) => startsAt >= after);
  const [first, second, ...others] = ahead;
  if (first === undefined || isWhole || first.endsAt - after >= SHORTEST_SEASON_MS) return ahead;
  if (second === undefined) return [];
  return [second.startsAt === first.endsAt ? { ...second, startsAt: after } : second, ...others];
}

interface Times {
  readonly times: SeasonTimes[];
  readonly isAll: boolean;
}

/** Seasons that end after an instant, and maybe some before. */
async function timesAfter(
  database: Queryable,
  schedule: Schedule,
  after: number,
  count: number,
): Promise<Times> {
  const { seasons, activeMs } = schedule;
  if (seasons !== undefined) {
    const times = seasons.map(({ startsAt, endsAt, ...label }) => ({
      startsAt: Date.parse(startsAt),
      endsAt: Date.parse(endsAt),
      ...label,
    }));
    return { times, isAll: true };
  }
  const starts = await startsAfter(database, schedule, after - (activeMs ?? 0), count);
  const isAll = starts.length < count;
  if (activeMs === undefined)
    return {
      times: starts.map((endsAt, i) => ({ startsAt: starts[i - 1] ?? Number.NEGATIVE_INFINITY, endsAt })),
      isAll,
    };
  const times = starts.map((startsAt, i) => ({
    startsAt,
    endsAt: Math.min(startsAt + activeMs, starts[i + 1] ?? Number.POSITIVE_INFINITY),
  }));
  // Whether the last one of several is cut off by the next is not known.
  return { times: isAll ? times : times.slice(0, -1), isAll };
}

/** The instants after the given one at which a schedule without `seasons` begins a season: `count`, or all that are left. */
async function startsAfter(
  database: Queryable,
  schedule: Schedule,
  after: number,
  count: number,
): Promise<number[]> {
  const { timeZone = 'UTC' } = schedule;
  const from = schedule.from === undefined ? null : Date.parse(schedule.from);
  const behind = Math.max(after, (from ?? after + 1) - 1);
  const [start, anchor] = await localTimesAt(database, timeZone, from === null ? [behind] : [behind, from]);
  const ahead = localTimes(schedule, start?.earliest ?? behind, anchor?.local ?? null);
  const instants = new Set<number>();
  for (;;) {
    const batch = take(ahead, count + 1);
    const found = await instantsOf(database, timeZone, batch);
    for (const { instant } of found) if (instant > behind) instants.add(instant);
    const isAll = batch.length <= count;
    // A skipped local time comes later than those right behind the gap. All that come before one that is shown are known.
    const known = isAll
      ? Number.POSITIVE_INFINITY
      : Math.max(...found.filter(({ isShown }) => isShown).map(({ instant }) => instant));
    const starts = [...instants].filter((instant) => instant <= known).sort((a, b) => a - b);
    if (isAll || starts.length >= count) return starts.slice(0, count);
  }
}

function take<T>(source: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  while (taken.length < count) {
    const { value, done } = source.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}
