import type { Case, Result } from '../case.js';
import { pairs } from '../pairs.js';
import { userId } from '../players.js';
import { untilProjected } from '../probe.js';
import { MANY, type Server, type Testbed } from '../testbed.js';

const SECONDS = 1;
const FEW = 1_000;
const STEP = MANY / FEW;

const answersPerSecond =
  (testbed: Testbed, { port }: Server, paths: string[], expected: string) =>
  async () => {
    const { right, seconds } = await testbed.load({
      ...{ kind: 'reads', port, connections: 64, seconds: SECONDS, paths, expected },
    });
    return right / seconds;
  };

export const top: Case = async (testbed) => {
  const server = await testbed.server('constant top', await testbed.database('top', FEW, FEW));
  const read = (path: string) => answersPerSecond(testbed, server, [path], '"rank":10');
  return [
    {
      what: 'top: answers a second, ten entries',
      against: 'a route with a constant answer of the same size and schema',
      figure: await pairs(read('/v1/leaderboards/global/entries?limit=10'), read('/constant/entries')),
      target: { atLeast: 0.85 },
    },
  ];
};

/**
 * Reads the same thousand users on both boards, spread over the whole large one, so that the sizes of the boards are
 * compared and not the hit rates of a cache of names.
 */
export const rank: Case = async (testbed) => {
  const database = await testbed.million();
  await testbed.board(database, 'small', FEW, STEP);
  const projections = { memory: { REDIS_MODE: 'off' }, Redis: await testbed.redis() };
  const users = Array.from({ length: FEW }, (_, i) => userId(i * STEP));
  const results: Result[] = [];
  for (const [name, environment] of Object.entries(projections)) {
    const server = await testbed.server('service', database, environment);
    await untilProjected(server, ['global', 'small']);
    for (const [what, suffix] of [
      ['one entry', ''],
      ['its neighbours', '/around'],
    ]) {
      const read = (board: string) =>
        answersPerSecond(
          testbed,
          server,
          users.map((user) => `/v1/leaderboards/${board}/entries/${user}${suffix}`),
          '"rank":',
        );
      results.push({
        what: `rank: answers a second, ${what}, 1,000,000 entries in ${name}`,
        against: 'at 1,000 entries',
        figure: await pairs(read('global'), read('small')),
        target: { atLeast: 0.85 },
      });
    }
    await server.stop();
  }
  return results;
};
