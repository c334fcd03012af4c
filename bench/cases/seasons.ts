import { setTimeout as delay } from 'node:timers/promises';
import { query } from '../../dev/databases.js';
import { Cursors } from '../../src/cursor.js';
import type { Case } from '../case.js';
import { JWT_SECRET, userId } from '../players.js';
import { untilProjected } from '../probe.js';
import { MANY } from '../testbed.js';

/** Scores a second, from before a season of a million entries ends until it is final. */
const RATE = 200;
const SECONDS = 60;
/** Before that: the service goes on reading the names of a million users after it has loaded their board. */
const WARM_UP_SECONDS = 25;
/** When the season ends, in seconds after the first score that is measured. */
const ENDS_AFTER = 6;
/** Pages, and ranks, that are read one after the other. */
const READS = 500;

/** What is in force until the end of the season is known by then; the next season has an open end. */
const END = `
UPDATE leaderboards SET season_ends_at = at, next_starts_at = at
FROM (SELECT date_trunc('milliseconds', clock_timestamp()) + interval '${ENDS_AFTER} s' AS at) ending
WHERE id = 'global'`;
const CLOSED_IN = `
SELECT extract(epoch FROM final_at - ends_at)::float8 AS seconds FROM seasons
WHERE leaderboard_id = 'global' AND season = 1 AND state = 'final'`;

/** A season of a million entries ends while scores go on, and is read when it is old. */
export const seasons: Case = async (testbed) => {
  const database = await testbed.database('seasons', MANY, MANY);
  const server = await testbed.server('service', database);
  await untilProjected(server, ['global']);
  const load = { port: server.port, connections: 64, users: MANY, rate: RATE, seconds: SECONDS };
  await testbed.load({ ...load, kind: 'scores', seconds: WARM_UP_SECONDS });
  await testbed.mint({ ...load, kind: 'mint' });
  await query(database, END);
  const { latencies } = await testbed.load({ ...load, kind: 'scores' });
  const [closed] = await query<{ seconds: number }>(database, CLOSED_IN);
  if (closed === undefined) throw new Error('The season is not final yet');

  const entries = `http://127.0.0.1:${server.port}/v1/leaderboards/global/entries`;
  const milliseconds = async (pathOf: (n: number) => string): Promise<{ median: number; p99: number }> => {
    const times: number[] = [];
    for (let n = 0; n < READS; n++) {
      const start = performance.now();
      const response = await fetch(`${entries}${pathOf(n)}`);
      const body = await response.text();
      times.push(performance.now() - start);
      if (!response.ok || !body.includes('"rank":')) throw new Error(body);
      await delay(1);
    }
    times.sort((a, b) => a - b);
    const quantile = (part: number) => times[Math.ceil(READS * part) - 1] ?? Number.NaN;
    return { median: quantile(0.5), p99: quantile(0.99) };
  };
  const cursors = new Cursors(JWT_SECRET);
  /** In the middle half of the board, spread by a prime. */
  const somewhere = (n: number) => MANY / 4 + ((n * 7_919) % (MANY / 2));
  const cursorAt = (score: number) =>
    cursors.encode({ board: 'global:1', userId: userId(1), score, achievedAt: 0 });
  const page = await milliseconds((n) => `?season=1&limit=100&cursor=${cursorAt(somewhere(n))}`);
  const rank = await milliseconds((n) => `/${userId(somewhere(n))}?season=1`);
  const read = (what: string, { median, p99 }: typeof page) => [
    {
      what: `seasons: ms of a ${what} in the middle of an old season of a million`,
      against: '',
      figure: median,
      target: { atMost: 20 },
    },
    {
      what: `seasons: ms of a ${what} in the middle of an old season of a million, p99`,
      against: '',
      figure: p99,
    },
  ];
  return [
    {
      what: `seasons: ms of the slowest of ${latencies.length} scores while a season of a million ends and is closed`,
      against: '',
      figure: latencies.at(-1) ?? Number.NaN,
      target: { atMost: 300 },
    },
    {
      what: 'seasons: seconds from the end of a season of a million until it is final',
      against: '',
      figure: closed.seconds,
      target: { atMost: 60 },
    },
    ...read('page', page),
    ...read('rank', rank),
  ];
};
