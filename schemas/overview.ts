import { type Static, Type } from '@sinclair/typebox';
import { LeaderboardId, Now, SeasonNumber, Time } from './common.js';
import { Health } from './service.js';

/** How far its charts go back. */
export const OVERVIEW_MINUTES = 30;
/** Above these it says "more". */
export const MOST_HELD = 1_000;
export const MOST_SCANNED = 20_000;

const Count = Type.Integer({ minimum: 0 });
const PerMinute = (description: string) =>
  Type.Array(Count, { minItems: OVERVIEW_MINUTES, maxItems: OVERVIEW_MINUTES, description });
const UpTo = (most: string, description: string) =>
  Type.Object(
    { count: Count, isMore: Type.Boolean({ description: `Whether there are more: ${most}.` }) },
    { description },
  );

/** What one process knows. */
export const ProcessReport = Type.Object({
  streams: Count,
  rejectedTokens: PerMinute(
    'Action tokens that were rejected in each of the last minutes, oldest first. The last of them is not over.',
  ),
  projectionsReady: Count,
  projectionsLoading: Count,
});
export type ProcessReport = Static<typeof ProcessReport>;

const SEASON = {
  leaderboard: 'weekly',
  title: 'This week',
  season: 7,
  label: 'Week 7',
  endsAt: '2026-06-14T22:00:00.000Z',
};
export const Overview = Type.Object(
  {
    now: Now,
    checks: Health.properties.checks,
    scores: PerMinute(
      `Scores of all instances in each of the last whole minutes, oldest first. Above ${MOST_SCANNED} they are estimated from the first of the minute.`,
    ),
    players: UpTo(
      `only the last ${MOST_SCANNED} scores are looked at`,
      'Players with a score in the last five minutes.',
    ),
    held: UpTo(`they are counted up to ${MOST_HELD}`, 'Events that are held.'),
    seasons: Type.Array(
      Type.Object({
        leaderboard: LeaderboardId,
        title: Type.String(),
        season: SeasonNumber,
        label: Type.Union([Type.String(), Type.Null()]),
        endsAt: Time,
      }),
      { description: 'The next five ends of seasons.' },
    ),
    instance: Type.Object(
      { ...ProcessReport.properties, streamsCapacity: Count },
      { description: 'What the instance that has answered knows of itself.' },
    ),
  },
  {
    $id: 'Overview',
    description: 'How things are.',
    examples: [
      {
        now: '2026-06-11T19:09:00.000Z',
        checks: { database: 'ok', redis: 'disabled' },
        scores: Array.from({ length: OVERVIEW_MINUTES }, (_, i) => 40 + ((i * 7) % 12)),
        players: { count: 61, isMore: false },
        held: { count: 3, isMore: false },
        seasons: [SEASON],
        instance: {
          streams: 17,
          streamsCapacity: 10_000,
          rejectedTokens: Array<number>(OVERVIEW_MINUTES).fill(0),
          projectionsReady: 2,
          projectionsLoading: 0,
        },
      },
    ],
  },
);
export type Overview = Static<typeof Overview>;
