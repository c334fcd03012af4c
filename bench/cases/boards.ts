import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Case, Result } from '../case.js';
import { pairs } from '../pairs.js';
import { untilProjected } from '../probe.js';
import type { Server, Testbed } from '../testbed.js';
import { cpuPerScore } from './write.js';

const BOARDS = 100_000;
/** Those that have entries, ten each. All of them are read, so all of them are open. */
const IN_USE = 1_000;
const USERS = 20_000;
/** What a board may cost a process at rest, in bytes. */
const BYTES_A_BOARD = 1_024;
const SCRAPES = 10;
const AT_REST_S = 3;

const AGAINST = 'with one board';

/** Games make one board a level: 100,000 boards must not cost what 100,000 databases would. */
export const boards: Case = async (testbed) => {
  const many = await testbed.database('many_boards', USERS, USERS);
  await testbed.boards(many, BOARDS, IN_USE);
  const one = await testbed.database('one_board', USERS, USERS);
  const levels = Array.from({ length: IN_USE }, (_, n) => `level-${n + 1}`);

  const started = (database: string) => async (): Promise<number> => {
    const start = performance.now();
    const server = await testbed.server('service', database);
    await untilHealthy(server);
    const seconds = (performance.now() - start) / 1000;
    await server.stop();
    return seconds;
  };
  const results: Result[] = [
    {
      what: 'boards: seconds until healthy, with 100,000 boards',
      against: AGAINST,
      figure: await pairs(started(many), started(one)),
      target: { atMost: 2 },
    },
  ];

  const withMany = await testbed.server('service', many);
  const withOne = await testbed.server('service', one);
  await untilProjected(withMany, ['global', ...levels]);
  await untilProjected(withOne, ['global']);
  results.push({
    what: 'boards: memory beyond 1 KB a board, 100,000 boards of which 1,000 are open',
    against: AGAINST,
    figure: await pairs(
      async () => (await withMany.used('memory')) - BOARDS * BYTES_A_BOARD,
      () => withOne.used('memory'),
      3,
    ),
    target: { atMost: 1.5 },
  });
  results.push({
    what: 'boards: megabytes of the process, 100,000 boards of which 1,000 are open',
    against: '',
    figure: (await withMany.used('memory')) / 2 ** 20,
  });
  results.push({
    what: 'boards: microseconds of the server for a score on one board, 1,001 boards open',
    against: AGAINST,
    figure: await pairs(cpuPerScore(testbed, withMany), cpuPerScore(testbed, withOne)),
    target: { atMost: 1.2 },
  });
  results.push({
    what: 'boards: milliseconds for a scrape, 100,000 boards of which 1,001 are open',
    against: AGAINST,
    figure: await pairs(scrape(withMany), scrape(withOne)),
    target: { atMost: 2 },
  });
  await withMany.stop();
  await withOne.stop();
  results.push(...(await atRest(testbed, many, one, levels)));
  return results;
};

/** Redis commands a second while nothing happens: the same number, however many boards there are. */
async function atRest(
  testbed: Testbed,
  many: string,
  one: string,
  levels: readonly string[],
): Promise<Result[]> {
  const commandsASecond = async (database: string, projected: readonly string[]): Promise<number> => {
    const environment = await testbed.redis();
    const server = await testbed.server('service', database, environment);
    await untilProjected(server, projected);
    const redis = new Redis(environment.REDIS_URL);
    const before = await commands(redis);
    await delay(AT_REST_S * 1000);
    // Less the command that asks.
    const sent = (await commands(redis)) - before - 1;
    redis.disconnect();
    await server.stop();
    return sent / AT_REST_S;
  };
  return [
    {
      what: 'boards: Redis commands a second at rest, 100,000 boards of which 1,001 are open',
      against: AGAINST,
      figure: await pairs(
        () => commandsASecond(many, ['global', ...levels]),
        () => commandsASecond(one, ['global']),
        1,
      ),
      target: { atMost: 1.1 },
    },
  ];
}

async function commands(redis: Redis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1]);
}

const scrape =
  ({ port }: Server) =>
  async (): Promise<number> => {
    const start = performance.now();
    for (let n = 0; n < SCRAPES; n++) await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return (performance.now() - start) / SCRAPES;
  };

async function untilHealthy({ port }: Server): Promise<void> {
  while (!(await fetch(`http://127.0.0.1:${port}/health`)).ok) await delay(10);
}
