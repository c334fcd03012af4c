import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { p99 } from './live.js';

const USERS = 20_000;
const SECONDS = 4;
/** How long before a boundary the load begins: it is passed in the middle. */
const BEFORE_MS = 2_000;
/** The next season is known for so long by then. */
const AHEAD_MS = 8_000;

/** A season ends, and the next begins, while scores arrive: they find the next one loaded, and wait for nobody. */
export const seasonBoundary: Case = async (testbed) => {
  const url = await testbed.database('boundary', USERS, USERS);
  const { port } = await testbed.server('service', url);
  const load = { port, connections: 64, users: USERS } as const;
  await testbed.load({ kind: 'scores', ...load, seconds: 2 });
  const highest = await testbed.load({ kind: 'scores', ...load, seconds: 3 });
  const rate = Math.round(highest.right / highest.seconds / 2);

  const slowest = async (): Promise<number> =>
    p99((await testbed.load({ kind: 'scores', ...load, seconds: SECONDS, rate })).latencies);
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const across = async (): Promise<number> => {
    await testbed.mint({ kind: 'mint', ...load, seconds: SECONDS });
    await pool.query(
      `UPDATE leaderboards SET season_ends_at = now() + $1 * interval '1 ms', next_starts_at = now() + $1 * interval '1 ms'
       WHERE id = 'global'`,
      [AHEAD_MS],
    );
    await sleep(AHEAD_MS - BEFORE_MS);
    return await slowest();
  };
  try {
    return [
      {
        what: `season-boundary: milliseconds of a write, p99 over the ${SECONDS} s around the end of a season, at ${rate} writes a second, half of the highest rate`,
        against: 'the same within a season',
        figure: await pairs(across, slowest),
        target: { atMost: 1.5 },
      },
    ];
  } finally {
    await pool.end();
  }
};
