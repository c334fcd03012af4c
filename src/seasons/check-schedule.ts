import { Cron } from 'croner';
import type { Schedule } from '../../schemas/schedule.js';
import { instant as shownAt } from '../clock.js';
import { Problem } from '../errors.js';
import type { Queryable } from '../postgres/database.js';
import { SHORTEST_SEASON_MS, seasonsAfter } from './schedule.js';
import { timeZoneNamed } from './time-zones.js';

/** As many seasons as an administrator is shown, and as are looked at to find out whether a schedule makes sense. */
export const PREVIEWED = 5;

const KINDS = ['every', 'cron', 'seasons'] as const;
/** What else a schedule of each kind may say. */
const FIELDS: Record<(typeof KINDS)[number], ReadonlySet<string>> = {
  every: new Set(['every', 'interval', 'at', 'weekday', 'day', 'timeZone', 'from', 'activeMs']),
  cron: new Set(['cron', 'timeZone', 'activeMs']),
  seasons: new Set(['seasons']),
};
const OFFSET = /^(UTC|GMT)?[+-]\d|^Z$/i;
const UNITS_WITH_DAY = ['month', 'quarter', 'year'];

/**
 * Checks what the schema of a schedule cannot say.
 * @param after seasons that are over then do not count
 * @returns it with its times as the API writes them
 * @throws Problem `schedule-invalid`, with the reason in words
 */
export async function checkSchedule(
  database: Queryable,
  schedule: Schedule,
  after: number,
): Promise<Schedule> {
  const kinds = KINDS.filter((kind) => schedule[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) throw fault('', 'needs one of every, cron and seasons');
  for (const field of Object.keys(schedule))
    if (!FIELDS[kind].has(field)) throw fault(field, `does not go with ${kind}`);
  if (schedule.seasons !== undefined) checkSeasons(schedule.seasons, after);
  checkRepetition(schedule);
  if (schedule.cron !== undefined) checkCron(schedule.cron);
  if (schedule.timeZone !== undefined) await checkTimeZone(database, schedule.timeZone);
  await checkActiveTime(database, schedule, after);
  return canonical(schedule);
}

/** Any form of RFC 3339 is taken, of which the milliseconds count. */
function canonical({ from, seasons, ...others }: Schedule): Schedule {
  const instantOf = (text: string) => shownAt(Date.parse(text));
  return {
    ...others,
    ...(from !== undefined && { from: instantOf(from) }),
    ...(seasons !== undefined && {
      seasons: seasons.map(({ startsAt, endsAt, ...label }) => ({
        startsAt: instantOf(startsAt),
        endsAt: instantOf(endsAt),
        ...label,
      })),
    }),
  };
}

function checkSeasons(seasons: NonNullable<Schedule['seasons']>, after: number): void {
  let last = Number.NEGATIVE_INFINITY;
  for (const [i, season] of seasons.entries()) {
    const [startsAt, endsAt] = [
      instant(`seasons/${i}/startsAt`, season.startsAt),
      instant(`seasons/${i}/endsAt`, season.endsAt),
    ];
    if (endsAt - startsAt < SHORTEST_SEASON_MS)
      throw fault(`seasons/${i}`, 'must end at least 60 s after it starts');
    if (startsAt < last) throw fault(`seasons/${i}`, 'starts before the one above it ends');
    last = endsAt;
  }
  if (last - after < SHORTEST_SEASON_MS) throw fault('seasons', 'are all over');
}

function checkRepetition({ every, interval = 1, at = '00:00', weekday, day, from }: Schedule): void {
  if (interval < 1 || interval > 1000) throw fault('interval', 'must be 1 to 1000');
  if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(at))
    throw fault('at', 'must be a local time from 00:00 to 23:59, like 18:30');
  if (weekday !== undefined && every !== 'week') throw fault('weekday', 'goes only with every: week');
  if (weekday !== undefined && (weekday < 1 || weekday > 7))
    throw fault('weekday', 'must be 1 (Monday) to 7 (Sunday)');
  if (day !== undefined && !UNITS_WITH_DAY.includes(every ?? ''))
    throw fault('day', 'goes only with every: month, quarter or year');
  if (day !== undefined && day !== -1 && (day < 1 || day > 28))
    throw fault('day', 'must be 1 to 28, which every month has, or -1 for the last day');
  if (from !== undefined) instant('from', from);
}

function checkCron(cron: string): void {
  // The parser has names for some patterns, for example @daily.
  if (cron.trim().split(/\s+/).length !== 5)
    throw fault('cron', 'must have five fields: minute, hour, day, month, weekday');
  let pattern: Cron;
  try {
    pattern = new Cron(cron, { mode: '5-part', utcOffset: 0 });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    throw fault('cron', `cannot be read: ${reason}`, error);
  }
  if (pattern.nextRun() === null) throw fault('cron', 'never comes');
}

async function checkTimeZone(database: Queryable, name: string): Promise<void> {
  if (OFFSET.test(name))
    throw fault(
      'timeZone',
      `must be a name like Europe/Berlin, which knows of summer time: ${name} is an offset`,
    );
  const known = await timeZoneNamed(database, name);
  if (known === null) throw fault('timeZone', `is not known to the database: ${name}`);
  if (known !== name) throw fault('timeZone', `is spelled ${known}`);
}

async function checkActiveTime(database: Queryable, schedule: Schedule, after: number): Promise<void> {
  const { activeMs } = schedule;
  if (activeMs !== undefined && activeMs < SHORTEST_SEASON_MS)
    throw fault('activeMs', 'must be at least 60000: a season lasts a minute or longer');
  const { activeMs: _, ...always } = schedule;
  const whole = await seasonsAfter(database, always, after, PREVIEWED + 1);
  if (whole.length === 0) throw fault('', 'has no season ahead');
  // The first one is under way.
  const shortest = Math.min(...whole.slice(1).map(({ startsAt, endsAt }) => endsAt - startsAt));
  if (activeMs !== undefined && activeMs >= shortest)
    throw fault('activeMs', `must be less than the ${shortest} ms from one season to the next`);
}

function instant(field: string, text: string): number {
  const ms = Date.parse(text);
  if (!(ms >= 0 && ms < Date.UTC(9999, 0))) throw fault(field, 'must be a time from 1970 to 9998');
  return ms;
}

function fault(field: string, message: string, cause?: unknown): Problem {
  const path = field === '' ? '/schedule' : `/schedule/${field}`;
  return new Problem('schedule-invalid', `${path} ${message}.`, { errors: [{ path, message }], cause });
}
