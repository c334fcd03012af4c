import type { Case, Result } from '../case.js';
import { pairs } from '../pairs.js';
import { userId } from '../players.js';
import { untilProjected } from '../probe.js';
import { MANY, type Server, type Stage } from '../stage.js';

const SECONDS = 1;
const FEW = 1_000;
const APART = MANY / FEW;

const answersASecond =
  (stage: Stage, { port }: Server, paths: string[], expected: string) =>
  async () => {
    const { right, seconds } = await stage.load({
      ...{ kind: 'reads', port, connections: 64, seconds: SECONDS, paths, expected },
    });
    return right / seconds;
  };

export const top: Case = async (stage) => {
  const server = await stage.server('constant top', await stage.database('top', FEW, FEW));
  const read = (path: string) => answersASecond(stage, server, [path], '"rank":10');
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
 * The same thousand users are asked about, spread over the whole board, so that what is compared is the size of the
 * board, not that of a cache of names.
 */
export const rank: Case = async (stage) => {
  const database = await stage.million();
  await stage.board(database, 'small', FEW, APART);
  const projections = { memory: { REDIS_MODE: 'off' }, Redis: await stage.redis() };
  const users = Array.from({ length: FEW }, (_, i) => userId(i * APART));
  const results: Result[] = [];
  for (const [name, environment] of Object.entries(projections)) {
    const server = await stage.server('service', database, environment);
    await untilProjected(server, ['global', 'small']);
    for (const [what, suffix] of [
      ['one entry', ''],
      ['its neighbours', '/around'],
    ]) {
      const read = (board: string) =>
        answersASecond(
          stage,
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
