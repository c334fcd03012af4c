import type { components } from '@scoreboard/client';
import { numberIn, textIn } from '../parts/fields.js';
import type { Leaderboard } from './types.js';

type Schedule = components['schemas']['Schedule'];
type Every = NonNullable<Schedule['every']>;

const OPERATORS: readonly Leaderboard['operator'][] = ['increment', 'best', 'latest'];
export const UNITS: readonly Every[] = ['hour', 'day', 'week', 'month', 'quarter', 'year'];
export const KINDS = ['hand', 'every', 'cron', 'listed'] as const;
export type Kind = (typeof KINDS)[number];

export const kindOf = (schedule: Schedule | undefined): Kind =>
  schedule === undefined ? 'hand' : schedule.every ? 'every' : schedule.cron ? 'cron' : 'listed';

/** One season a line: when it begins, when it ends, and what it is called. */
export const linesOf = ({ seasons = [] }: Schedule): string =>
  seasons.map(({ startsAt, endsAt, label }) => [startsAt, endsAt, label].join(' ').trim()).join('\n');

const seasonsIn = (text: string) =>
  text.split('\n').flatMap((line) => {
    const [startsAt = '', endsAt = '', ...label] = line.trim().split(/\s+/);
    return startsAt === '' ? [] : [{ startsAt, endsAt, ...(label.length > 0 && { label: label.join(' ') }) }];
  });

function scheduleIn(data: FormData, before: Schedule | undefined): Schedule | null {
  const timeZone = textIn(data, 'timeZone') || undefined;
  // What this form does not know stays, as long as it is the same kind.
  const { from, activeMs } = before ?? {};
  switch (textIn(data, 'kind')) {
    case 'every': {
      const every = UNITS.find((unit) => unit === textIn(data, 'every')) ?? 'week';
      return {
        every,
        interval: numberIn(data, 'interval'),
        at: textIn(data, 'at') || undefined,
        weekday: every === 'week' ? numberIn(data, 'weekday') : undefined,
        day: every === 'month' || every === 'quarter' || every === 'year' ? numberIn(data, 'day') : undefined,
        timeZone,
        from,
        activeMs,
      };
    }
    case 'cron':
      return { cron: textIn(data, 'cron'), timeZone, activeMs };
    case 'listed':
      return { seasons: seasonsIn(textIn(data, 'seasons')) };
    default:
      return null;
  }
}

/** The rules of a board as its form has them. */
export function rulesIn(data: FormData, before: Leaderboard | undefined) {
  const reason = textIn(data, 'reason');
  const operator = textIn(data, 'operator');
  return {
    title: textIn(data, 'title'),
    sort: textIn(data, 'sort') === 'asc' ? ('asc' as const) : ('desc' as const),
    operator: OPERATORS.find((known) => known === operator) ?? 'increment',
    maxPointsPerMinute: numberIn(data, 'maxPointsPerMinute'),
    keepSeasons: numberIn(data, 'keepSeasons'),
    hidden: data.has('hidden') || undefined,
    schedule: scheduleIn(data, before?.schedule),
    titles: before?.titles,
    unit: before?.unit,
    lateTokens: before?.lateTokens,
    graceMs: before?.graceMs,
    ...(reason !== '' && { reason }),
  };
}
