import { type Static, Type } from '@sinclair/typebox';
import { Time, Title } from './common.js';

export const SeasonLabel = { ...Title, description: 'A name of the season, to show.', examples: ['Final'] };

/** In one object, because what is wrong with it is told in words: see `checkSchedule`. */
export const Schedule = Type.Object(
  {
    every: Type.Optional(
      Type.Union(
        (['hour', 'day', 'week', 'month', 'quarter', 'year'] as const).map((unit) => Type.Literal(unit)),
        { description: 'A new season each hour, day and so on, told by the local time of `timeZone`.' },
      ),
    ),
    interval: Type.Optional(
      Type.Integer({
        description:
          'With `every`: one season in so many hours, days and so on, 1 to 1,000; 1 if absent. Counted from the first one at or after `from`, else from 1970.',
      }),
    ),
    at: Type.Optional(
      Type.String({
        description: 'With `every`: the local time at which a season begins; 00:00 if absent.',
        examples: ['18:30'],
      }),
    ),
    weekday: Type.Optional(
      Type.Integer({ description: 'With `every: week`: 1 is Monday, 7 is Sunday; 1 if absent.' }),
    ),
    day: Type.Optional(
      Type.Integer({
        description:
          'With `every: month`, `quarter` or `year`: the day of its first month, 1 to 28, or -1 for its last day; 1 if absent.',
      }),
    ),
    cron: Type.Optional(
      Type.String({
        maxLength: 200,
        description: 'A season begins whenever these five fields match the local time of `timeZone`.',
        examples: ['0 12 1 * *'],
      }),
    ),
    timeZone: Type.Optional(
      Type.String({
        maxLength: 100,
        description:
          'With `every` or `cron`: an IANA name; UTC if absent. A local time that is skipped moves forward by the gap, one that comes twice is the first.',
        examples: ['Europe/Berlin'],
      }),
    ),
    from: Type.Optional({ ...Time, description: 'With `every`: no season of the schedule begins before.' }),
    activeMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'With `every` or `cron`: how long each season is open. Until the next the board takes no scores.',
      }),
    ),
    seasons: Type.Optional(
      Type.Array(
        Type.Object(
          { startsAt: Time, endsAt: Time, label: Type.Optional(SeasonLabel) },
          { additionalProperties: false },
        ),
        {
          maxItems: 100,
          description: 'Exactly these seasons, in their order. Between them the board takes no scores.',
        },
      ),
    ),
  },
  {
    $id: 'Schedule',
    additionalProperties: false,
    description: 'When seasons begin and end: either `every`, or `cron`, or `seasons`.',
    examples: [{ every: 'week', weekday: 1, at: '00:00', timeZone: 'Europe/Berlin' }],
  },
);
export type Schedule = Static<typeof Schedule>;
