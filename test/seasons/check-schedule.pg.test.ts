import pg from 'pg';
import t from 'tap';
import type { Schedule } from '../../schemas/schedule.js';
import { checkSchedule } from '../../src/seasons/check-schedule.js';
import { buildTestDatabase } from '../helper.js';

const pool = new pg.Pool({ connectionString: await buildTestDatabase(t), max: 1 });
t.teardown(() => pool.end());
const NOW = Date.parse('2026-06-11T19:00:00Z');
const check = (schedule: Schedule) => checkSchedule(pool, schedule, NOW);
const season = (startsAt: string, endsAt: string) => ({
  startsAt: `2026-06-${startsAt}Z`,
  endsAt: `2026-06-${endsAt}Z`,
});

t.test('schedules that make sense', async (t) => {
  const schedules: Schedule[] = [
    { every: 'hour' },
    {
      every: 'week',
      interval: 2,
      weekday: 7,
      at: '23:59',
      timeZone: 'Europe/Berlin',
      from: '2026-06-14T00:00:00Z',
    },
    { every: 'month', day: -1, timeZone: 'America/Argentina/Buenos_Aires' },
    { every: 'day', timeZone: 'Etc/GMT+2' },
    { every: 'week', weekday: 7, at: '12:00', activeMs: 3_600_000 },
    { cron: '0 12 1 * *', timeZone: 'UTC' },
    { cron: ' */5 9-17 * JAN,JUL MON-FRI ', activeMs: 60_000 },
    { seasons: [season('01T00:00:00', '12T00:00:00'), season('12T00:00:00', '12T00:01:00')] },
  ];
  for (const schedule of schedules) await t.resolves(check(schedule), JSON.stringify(schedule));
});

t.test('what is wrong with others is said in words', async (t) => {
  const cases: [schedule: Schedule, path: string, reason: RegExp][] = [
    [{}, '', /one of every, cron and seasons/],
    [{ timeZone: 'UTC' }, '', /one of every, cron and seasons/],
    [{ every: 'day', cron: '0 0 * * *' }, '', /one of every, cron and seasons/],
    [{ cron: '0 0 * * *', at: '12:00' }, '/at', /does not go with cron/],
    [
      { seasons: [season('12T00:00:00', '13T00:00:00')], activeMs: 60_000 },
      '/activeMs',
      /does not go with seasons/,
    ],
    [{ every: 'day', interval: 0 }, '/interval', /1 to 1000/],
    [{ every: 'day', at: '24:00' }, '/at', /from 00:00 to 23:59/],
    [{ every: 'day', at: '9:00' }, '/at', /like 18:30/],
    [{ every: 'day', weekday: 1 }, '/weekday', /only with every: week/],
    [{ every: 'week', weekday: 0 }, '/weekday', /1 \(Monday\) to 7 \(Sunday\)/],
    [{ every: 'week', day: 1 }, '/day', /only with every: month, quarter or year/],
    [{ every: 'month', day: 31 }, '/day', /1 to 28, which every month has, or -1/],
    [{ every: 'month', day: 0 }, '/day', /1 to 28/],
    [{ every: 'day', from: '9999-01-01T00:00:00Z' }, '/from', /from 1970 to 9998/],
    [{ every: 'day', from: '9998-12-31T23:00:00Z' }, '', /no season ahead/],
    [{ every: 'day', timeZone: '+02:00' }, '/timeZone', /\+02:00 is an offset/],
    [{ every: 'day', timeZone: 'UTC+2' }, '/timeZone', /is an offset/],
    [{ every: 'day', timeZone: 'Z' }, '/timeZone', /is an offset/],
    [
      { every: 'day', timeZone: 'Europe/Atlantis' },
      '/timeZone',
      /not known to the database: Europe\/Atlantis/,
    ],
    [{ every: 'day', timeZone: 'europe/berlin' }, '/timeZone', /is spelled Europe\/Berlin/],
    [{ every: 'day', timeZone: 'CET-1CEST,M3.5.0,M10.5.0/3' }, '/timeZone', /not known/],
    [{ every: 'day', timeZone: '' }, '/timeZone', /not known/],
    [{ cron: '@daily' }, '/cron', /five fields/],
    [{ cron: '0 0 0 * * *' }, '/cron', /five fields/],
    [{ cron: '60 * * * *' }, '/cron', /cannot be read: Invalid value for minute: 60/],
    [{ cron: '0 0 30 2 *' }, '/cron', /never comes/],
    [{ every: 'day', activeMs: 59_999 }, '/activeMs', /at least 60000/],
    [{ every: 'day', activeMs: 86_400_000 }, '/activeMs', /less than the 86400000 ms/],
    [{ seasons: [] }, '/seasons', /are all over/],
    [{ seasons: [season('01T00:00:00', '11T19:00:59')] }, '/seasons', /are all over/],
    [{ seasons: [season('12T00:00:00', '12T00:00:59')] }, '/seasons/0', /at least 60 s after/],
    [{ seasons: [season('12T00:00:00', '11T00:00:00')] }, '/seasons/0', /at least 60 s after/],
    [
      { seasons: [season('12T00:00:00', '13T00:00:00'), season('12T23:59:59', '14T00:00:00')] },
      '/seasons/1',
      /before the one above it ends/,
    ],
    [{ seasons: [season('12T00:00:00', '12T23:59:60')] }, '/seasons/0/endsAt', /must be a time/],
  ];
  for (const [schedule, at, reason] of cases) {
    const path = `/schedule${at}`;
    const wrong = { code: 'schedule-invalid', message: reason, errors: [{ path, message: reason }] };
    await t.rejects(check(schedule), wrong, JSON.stringify(schedule));
  }
});
