import fc from 'fast-check';
import pg from 'pg';
import t from 'tap';
import { Temporal } from 'temporal-polyfill';
import type { Schedule } from '../../schemas/schedule.js';
import { seasonsAfter } from '../../src/seasons/schedule.js';
import { buildTestDatabase } from '../helper.js';

const pool = new pg.Pool({ connectionString: await buildTestDatabase(t), max: 1 });
t.before(() => pool.query("SET TIME ZONE 'Asia/Kathmandu'"));
t.teardown(() => pool.end());

const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');

/** Seasons as text, `start end`; after a schedule without gaps only where each ends. */
async function shown(schedule: Schedule, after: string, count: number): Promise<string[]> {
  const seasons = await seasonsAfter(pool, schedule, Date.parse(after), count);
  return seasons.map(({ startsAt, endsAt, label }) =>
    schedule.activeMs === undefined && schedule.seasons === undefined
      ? iso(endsAt)
      : [iso(startsAt), iso(endsAt), label].join(' ').trim(),
  );
}

t.test('local times that are skipped, that come twice, and zones whose rules change', async (t) => {
  const cases: [what: string, schedule: Schedule, after: string, ends: string[]][] = [
    [
      'New York: 02:30 is skipped, and moves forward by the hour',
      { every: 'day', at: '02:30', timeZone: 'America/New_York' },
      '2026-03-07T00:00:00Z',
      ['2026-03-07T07:30:00Z', '2026-03-08T07:30:00Z', '2026-03-09T06:30:00Z'],
    ],
    [
      'New York: 01:30 comes twice, and the first counts',
      { every: 'day', at: '01:30', timeZone: 'America/New_York' },
      '2026-11-01T00:00:00Z',
      ['2026-11-01T05:30:00Z', '2026-11-02T06:30:00Z'],
    ],
    [
      'New York: the second 01:30 is no boundary, also from between the two on',
      { every: 'day', at: '01:30', timeZone: 'America/New_York' },
      '2026-11-01T06:00:00Z',
      ['2026-11-02T06:30:00Z'],
    ],
    [
      'New York: of each hour one begins, so the hour that comes twice lasts two',
      { every: 'hour', timeZone: 'America/New_York' },
      '2026-11-01T04:30:00Z',
      ['2026-11-01T05:00:00Z', '2026-11-01T07:00:00Z', '2026-11-01T08:00:00Z'],
    ],
    [
      'New York: the skipped hour and the one behind it are one season',
      { every: 'hour', timeZone: 'America/New_York' },
      '2026-03-08T05:30:00Z',
      ['2026-03-08T06:00:00Z', '2026-03-08T07:00:00Z', '2026-03-08T08:00:00Z'],
    ],
    [
      'New York: what is moved behind the gap comes in its order',
      { cron: '30 2,3 * * *', timeZone: 'America/New_York' },
      '2026-03-08T00:00:00Z',
      ['2026-03-08T07:30:00Z', '2026-03-09T06:30:00Z', '2026-03-09T07:30:00Z'],
    ],
    [
      'New York: and is found from inside of what it was moved over',
      { cron: '45 2 * * *', timeZone: 'America/New_York' },
      '2026-03-08T07:15:00Z',
      ['2026-03-08T07:45:00Z', '2026-03-09T06:45:00Z'],
    ],
    [
      'Berlin: a week that loses an hour, at midnight',
      { every: 'week', weekday: 1, timeZone: 'Europe/Berlin' },
      '2026-03-16T12:00:00Z',
      ['2026-03-22T23:00:00Z', '2026-03-29T22:00:00Z', '2026-04-05T22:00:00Z'],
    ],
    [
      'Berlin: 02:30 is skipped in March, and comes twice in October',
      { cron: '30 2 29 3,10 *', timeZone: 'Europe/Berlin' },
      '2023-01-01T00:00:00Z',
      ['2023-03-29T00:30:00Z', '2023-10-29T00:30:00Z', '2024-03-29T01:30:00Z', '2024-10-29T01:30:00Z'],
    ],
    [
      'Cairo: there is no midnight',
      { every: 'day', timeZone: 'Africa/Cairo' },
      '2026-04-22T23:00:00Z',
      ['2026-04-23T22:00:00Z', '2026-04-24T21:00:00Z'],
    ],
    [
      'Cairo: the hour before midnight comes twice at the end of summer time',
      { cron: '30 0,23 * * *', timeZone: 'Africa/Cairo' },
      '2026-10-29T00:00:00Z',
      ['2026-10-29T20:30:00Z', '2026-10-29T22:30:00Z', '2026-10-30T21:30:00Z'],
    ],
    [
      'Apia: 30 December 2011 is skipped as a whole',
      { every: 'day', timeZone: 'Pacific/Apia' },
      '2011-12-28T12:00:00Z',
      ['2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
    ],
    [
      'Apia: what is due on the skipped day comes a day later',
      { cron: '30 18 30 12 *', timeZone: 'Pacific/Apia' },
      '2011-01-01T00:00:00Z',
      ['2011-12-31T04:30:00Z', '2012-12-30T04:30:00Z'],
    ],
    [
      'Lord Howe: clocks are set forward by half an hour',
      { every: 'day', at: '02:15', timeZone: 'Australia/Lord_Howe' },
      '2026-10-03T00:00:00Z',
      ['2026-10-03T15:45:00Z', '2026-10-04T15:15:00Z'],
    ],
    [
      'Lord Howe: and back, so that 01:45 comes twice',
      { every: 'day', at: '01:45', timeZone: 'Australia/Lord_Howe' },
      '2026-04-04T00:00:00Z',
      ['2026-04-04T14:45:00Z', '2026-04-05T15:15:00Z'],
    ],
    [
      'Kwajalein: a day was left out on the way over the date line',
      { every: 'day', timeZone: 'Pacific/Kwajalein' },
      '1993-08-20T00:00:00Z',
      ['1993-08-20T12:00:00Z', '1993-08-21T12:00:00Z', '1993-08-22T12:00:00Z'],
    ],
    [
      'Amman: summer time that was kept for good in 2022',
      { every: 'month', timeZone: 'Asia/Amman' },
      '2021-12-15T00:00:00Z',
      [
        ...['2021-12-31T22:00:00Z', '2022-01-31T22:00:00Z', '2022-02-28T21:00:00Z', '2022-03-31T21:00:00Z'],
        ...['2022-04-30T21:00:00Z', '2022-05-31T21:00:00Z', '2022-06-30T21:00:00Z', '2022-07-31T21:00:00Z'],
        ...['2022-08-31T21:00:00Z', '2022-09-30T21:00:00Z', '2022-10-31T21:00:00Z', '2022-11-30T21:00:00Z'],
      ],
    ],
    [
      'São Paulo: no summer time any more since 2019',
      { every: 'year', day: -1, timeZone: 'America/Sao_Paulo' },
      '2017-01-01T00:00:00Z',
      ['2017-12-31T02:00:00Z', '2018-12-31T02:00:00Z', '2019-12-31T03:00:00Z'],
    ],
    [
      'UTC: no clock is ever set',
      { every: 'hour', interval: 6, at: '00:15' },
      '2026-03-29T00:00:00Z',
      ['2026-03-29T00:15:00Z', '2026-03-29T06:15:00Z', '2026-03-29T12:15:00Z', '2026-03-29T18:15:00Z'],
    ],
  ];
  for (const [what, schedule, after, ends] of cases)
    t.same(await shown(schedule, after, ends.length), ends, what);
});

t.test('intervals, days and weekdays', async (t) => {
  const cases: [what: string, schedule: Schedule, after: string, ends: string[]][] = [
    [
      'quarters begin in January, April, July and October',
      { every: 'quarter', day: 5, at: '12:00' },
      '2026-01-05T12:00:00Z',
      ['2026-04-05T12:00:00Z', '2026-07-05T12:00:00Z', '2026-10-05T12:00:00Z', '2027-01-05T12:00:00Z'],
    ],
    [
      'the last day of each month, also in leap years',
      { every: 'month', day: -1 },
      '2028-01-30T00:00:00Z',
      ['2028-01-31T00:00:00Z', '2028-02-29T00:00:00Z', '2028-03-31T00:00:00Z'],
    ],
    [
      'the last day of a quarter',
      { every: 'quarter', day: -1 },
      '2026-01-01T00:00:00Z',
      ['2026-03-31T00:00:00Z', '2026-06-30T00:00:00Z'],
    ],
    [
      'every fourth year, counted from 1970: those of World Cups',
      { every: 'year', interval: 4 },
      '2025-01-01T00:00:00Z',
      ['2026-01-01T00:00:00Z', '2030-01-01T00:00:00Z'],
    ],
    [
      'every second Sunday at 18:00, from the first one at or after a day on',
      { every: 'week', interval: 2, weekday: 7, at: '18:00', from: '2026-06-10T00:00:00Z' },
      '2026-01-01T00:00:00Z',
      ['2026-06-14T18:00:00Z', '2026-06-28T18:00:00Z', '2026-07-12T18:00:00Z'],
    ],
    [
      'the same later: the count goes on from there',
      { every: 'week', interval: 2, weekday: 7, at: '18:00', from: '2026-06-10T00:00:00Z' },
      '2026-07-01T00:00:00Z',
      ['2026-07-12T18:00:00Z', '2026-07-26T18:00:00Z'],
    ],
    [
      'a boundary exactly at `from` is one',
      { every: 'day', interval: 3, from: '2026-06-10T00:00:00Z' },
      '2026-06-01T00:00:00Z',
      ['2026-06-10T00:00:00Z', '2026-06-13T00:00:00Z'],
    ],
    [
      'less than 60 s are no season of their own',
      { every: 'hour' },
      '2026-06-01T11:59:00.001Z',
      ['2026-06-01T13:00:00Z', '2026-06-01T14:00:00Z'],
    ],
    ['60 s are', { every: 'hour' }, '2026-06-01T11:59:00Z', ['2026-06-01T12:00:00Z', '2026-06-01T13:00:00Z']],
    [
      'a minute each',
      { cron: '* * * * *' },
      '2026-06-01T11:59:00Z',
      ['2026-06-01T12:00:00Z', '2026-06-01T12:01:00Z'],
    ],
  ];
  for (const [what, schedule, after, ends] of cases)
    t.same(await shown(schedule, after, ends.length), ends, what);
});

t.test('a board that is open for a while in each period', async (t) => {
  const cup: Schedule = {
    every: 'week',
    weekday: 7,
    at: '12:00',
    timeZone: 'Europe/Berlin',
    activeMs: 3_600_000,
  };
  const march29 = '2026-03-29T10:00:00Z 2026-03-29T11:00:00Z';
  const april5 = '2026-04-05T10:00:00Z 2026-04-05T11:00:00Z';
  t.same(await shown(cup, '2026-03-25T00:00:00Z', 2), [march29, april5]);
  t.same(
    await shown(cup, '2026-03-29T10:15:00Z', 2),
    ['2026-03-29T10:15:00Z 2026-03-29T11:00:00Z', april5],
    'one that is under way',
  );
  t.same(await shown(cup, '2026-03-29T10:59:00.001Z', 1), [april5], 'one that is as good as over');
  t.same(await shown(cup, '2026-03-29T11:00:00Z', 1), [april5]);
  t.same(
    await shown({ cron: '0 0,1 * * *', activeMs: 7_200_000 }, '2026-06-01T00:30:00Z', 3),
    [
      '2026-06-01T00:30:00Z 2026-06-01T01:00:00Z',
      '2026-06-01T01:00:00Z 2026-06-01T03:00:00Z',
      '2026-06-02T00:00:00Z 2026-06-02T01:00:00Z',
    ],
    'the next one ends it',
  );
});

t.test('exact seasons, with and without gaps', async (t) => {
  const league: Schedule = {
    seasons: [
      { startsAt: '2026-06-01T00:00:00Z', endsAt: '2026-06-08T00:00:00+02:00', label: 'Groups' },
      { startsAt: '2026-06-07T22:00:00Z', endsAt: '2026-06-14T00:00:00Z' },
      { startsAt: '2026-07-01T00:00:00Z', endsAt: '2026-07-02T00:00:00Z', label: 'Final' },
    ],
  };
  const rest = [
    '2026-06-07T22:00:00Z 2026-06-14T00:00:00Z',
    '2026-07-01T00:00:00Z 2026-07-02T00:00:00Z Final',
  ];
  t.same(await shown(league, '2026-01-01T00:00:00Z', 5), [
    '2026-06-01T00:00:00Z 2026-06-07T22:00:00Z Groups',
    ...rest,
  ]);
  t.same(await shown(league, '2026-06-07T22:00:00Z', 5), rest);
  t.same(
    await shown(league, '2026-06-07T21:59:30Z', 5),
    ['2026-06-07T21:59:30Z 2026-06-14T00:00:00Z', rest[1]],
    'half a minute that is left of one goes to the next',
  );
  t.same(await shown(league, '2026-07-01T23:59:30Z', 5), []);
});

const ZONES = [
  ...['Europe/Berlin', 'America/New_York', 'Africa/Cairo', 'Pacific/Apia', 'Australia/Lord_Howe'],
  ...['Asia/Amman', 'America/Sao_Paulo', 'Asia/Kathmandu', 'Africa/Casablanca', 'America/St_Johns', 'UTC'],
];
const UNITS = {
  hour: 'hours',
  day: 'days',
  week: 'weeks',
  month: 'months',
  quarter: 'months',
  year: 'months',
} as const;
const MONTHS = { month: 1, quarter: 3, year: 12 };
const every = fc.constantFrom('hour', 'day', 'week', 'month', 'quarter', 'year');
const timeZone = fc.constantFrom(...ZONES);
const time = fc
  .tuple(fc.nat(23), fc.nat(59))
  .map((parts) => parts.map((n) => String(n).padStart(2, '0')).join(':'));
/** Near the hours at which clocks are set, or any. */
const after = fc.oneof(
  fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2030, 0) }),
  fc
    .tuple(
      fc.constantFrom(
        '2026-03-08T07',
        '2026-11-01T06',
        '2026-03-29T01',
        '2026-10-25T01',
        '2011-12-30T10',
        '2026-10-03T15',
      ),
      fc.integer({ min: -90_000, max: 90_000 }),
    )
    .map(([at, seconds]) => Date.parse(`${at}:00Z`) + seconds * 1000),
);
const COUNT = 4;

/** What Temporal makes of local times: it is told nothing of how the database does it. */
function expected(locals: Temporal.PlainDateTime[], zone: string, after: number): number[] {
  const instants = locals.map(
    (local) => local.toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds,
  );
  return [...new Set(instants)]
    .filter((instant) => instant - after >= 60_000)
    .sort((a, b) => a - b)
    .slice(0, COUNT);
}
const ends = async (schedule: Schedule, after: number) =>
  (await seasonsAfter(pool, schedule, after, COUNT)).map(({ endsAt }) => endsAt);

t.test('seasons of a unit end when Temporal says that the local time is', async () => {
  const law = fc.asyncProperty(
    fc.record({
      every,
      interval: fc.integer({ min: 1, max: 5 }),
      at: time,
      weekday: fc.integer({ min: 1, max: 7 }),
      day: fc.constantFrom(-1, 1, 13, 28),
      timeZone,
    }),
    after,
    async (schedule, after) => {
      const { every, interval, at, weekday, day, timeZone } = schedule;
      const start = new Temporal.PlainDate(1970, 1, 1);
      const step = interval * (every in MONTHS ? MONTHS[every as keyof typeof MONTHS] : 1);
      const local = (n: number) => {
        const unit = start.toPlainDateTime(at).add({ [UNITS[every]]: n * step });
        if (every === 'week') return unit.add({ days: 4 + weekday - 1 });
        if (!(every in MONTHS)) return unit;
        return day === -1 ? unit.add({ months: step / interval }).subtract({ days: 1 }) : unit.with({ day });
      };
      const near = Temporal.Instant.fromEpochMilliseconds(after)
        .toZonedDateTimeISO(timeZone)
        .toPlainDateTime();
      const first = start.toPlainDateTime().until(near, { largestUnit: UNITS[every] })[UNITS[every]] / step;
      // A day has 24 hours, and one day may be missing.
      const units = Array.from({ length: 80 }, (_, i) => local(Math.floor(first) - 60 + i + 20));
      assertSame(await ends(schedule, after), expected(units, timeZone, after));
    },
  );
  await fc.assert(law, { numRuns: 80 });
});

t.test('seasons by cron end when Temporal says that the local time is', async () => {
  const fields = (max: number) => fc.uniqueArray(fc.nat(max), { minLength: 1, maxLength: 3 });
  const law = fc.asyncProperty(
    fields(59),
    fields(23),
    fields(6),
    timeZone,
    after,
    async (minutes, hours, weekdays, timeZone, after) => {
      const today = Temporal.Instant.fromEpochMilliseconds(after).toZonedDateTimeISO(timeZone).toPlainDate();
      const days = Array.from({ length: 70 }, (_, i) => today.add({ days: i - 3 }));
      const locals = days
        .filter((day) => weekdays.includes(day.dayOfWeek % 7))
        .flatMap((day) =>
          hours.flatMap((hour) => minutes.map((minute) => day.toPlainDateTime({ hour, minute }))),
        );
      const cron = `${minutes} ${hours} * * ${weekdays}`;
      assertSame(await ends({ cron, timeZone }, after), expected(locals, timeZone, after));
    },
  );
  await fc.assert(law, { numRuns: 80 });
});

function assertSame(found: number[], wanted: number[]): void {
  if (found.join() !== wanted.join()) throw new Error(`${found.map(iso)} instead of ${wanted.map(iso)}`);
}
