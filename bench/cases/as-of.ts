import { query } from '../../dev/databases.js';
import type { Case, Result } from '../case.js';
import type { Testbed } from '../testbed.js';
import { inYear, USERS } from '../years.js';

const EVENTS = 1_000_000;

/** How long a board as it was takes: a million events of a year on one board, ten of each user, and of nearly as many users. */
export const asOf: Case = async (testbed) => {
  const results: Result[] = [];
  for (const users of [USERS.some, USERS.many])
    results.push(
      ...(await inYear(testbed, EVENTS, Date.now() - 60_000, (url) => measure(testbed, url, users), users)),
    );
  return results;
};

async function measure(testbed: Testbed, url: string, users: number): Promise<Result[]> {
  const results: Result[] = [];
  for (const operator of ['increment', 'best', 'latest']) {
    await query(url, `UPDATE leaderboards SET operator = '${operator}' WHERE id = 'global'`);
    const { port, stop } = await testbed.server('service', url);
    const at = new Date(Date.now() - 30_000).toISOString();
    const read = async () => {
      const started = performance.now();
      const answer = await fetch(`http://127.0.0.1:${port}/v1/leaderboards/global/entries?asOf=${at}`);
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
      return performance.now() - started;
    };
    results.push({
      what: `as-of: ms until a board as it was is shown, ${EVENTS} events of ${users} users, operator ${operator}`,
      against: '',
      figure: await read(),
      target: { atMost: 2_000 },
    });
    results.push({
      what: `as-of: the same again, ${users} users, operator ${operator}`,
      against: '',
      figure: await read(),
      target: { atMost: 50 },
    });
    await stop();
  }
  return results;
}
