import { cpus } from 'node:os';
import type { Case, Result } from '../case.js';
import type { LoadResult } from '../http-load.js';
import { pairs } from '../pairs.js';
import { untilProjected } from '../probe.js';
import { MANY, type Server, type Stage } from '../stage.js';

const USERS = 20_000;
const SECONDS = 1.5;
const EVENTS = 10_000_000;

/**
 * Scores to post to a server, as many as it takes; their tokens are minted already.
 * @param apart every so manieth user of the database plays
 */
async function scores(stage: Stage, { port }: Server, apart = 1): Promise<() => Promise<LoadResult>> {
  const job = { port, connections: 64, seconds: SECONDS, users: USERS, apart };
  await stage.mint({ kind: 'mint', ...job });
  return () => stage.load({ kind: 'scores', ...job });
}

const acceptedASecond = (stage: Stage, server: Server, apart?: number) => async (): Promise<number> => {
  const post = await scores(stage, server, apart);
  const { right, seconds } = await post();
  return right / seconds;
};

/** What one score costs, in microseconds of processor time: of the server, and of everything on this machine. */
async function costs(stage: Stage, server: Server, name: string): Promise<[server: Result, machine: Result]> {
  const post = await scores(stage, server);
  const before = { server: await server.used('cpu'), machine: busySeconds() };
  const { right } = await post();
  const after = { server: await server.used('cpu'), machine: busySeconds() };
  const each = (what: keyof typeof before) => ((after[what] - before[what]) * 1e6) / right;
  const line = (what: string, figure: number) => ({ what: `${name}: ${what}`, against: '', figure });
  return [
    line('microseconds of the server for a score', each('server')),
    line('microseconds of the machine for a score, with PostgreSQL and the clients', each('machine')),
  ];
}

const busySeconds = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1000;

/** On a database of its own each, as one would hear what the other announces; the users are on the board already. */
const database = (stage: Stage, name: string): Promise<string> => stage.database(name, USERS, USERS);

export const write: Case = async (stage) => {
  const service = await stage.server('service', await database(stage, 'written'));
  const ceiling = await stage.server('constant receipt', await database(stage, 'unwritten'));
  return [
    {
      what: 'write: scores accepted a second',
      against: 'the same route and checks, but a constant receipt',
      figure: await pairs(acceptedASecond(stage, service), acceptedASecond(stage, ceiling)),
      target: { atLeast: 0.7 },
    },
    ...(await costs(stage, service, 'write')),
    ...(await costs(stage, ceiling, 'write, constant receipt')),
  ];
};

export const writeNaive: Case = async (stage) => {
  const service = await stage.server('service', await database(stage, 'batched'));
  const naive = await stage.server('transaction a request', await database(stage, 'naive'));
  return [
    {
      what: 'write-naive: scores accepted a second',
      against: 'the same route and checks, and a transaction of five statements a request',
      figure: await pairs(acceptedASecond(stage, service), acceptedASecond(stage, naive)),
      target: { atLeast: 4 },
    },
    ...(await costs(stage, naive, 'write-naive, a transaction a request')),
  ];
};

export const writeRedis: Case = async (stage) => {
  const withRedis = await stage.server('service', await database(stage, 'in_redis'), await stage.redis());
  const without = await stage.server('service', await database(stage, 'in_memory'));
  await untilProjected(withRedis, ['global']);
  return [
    {
      what: 'write-redis: scores accepted a second, with Redis',
      against: 'without Redis',
      figure: await pairs(acceptedASecond(stage, withRedis), acceptedASecond(stage, without)),
      target: { atLeast: 0.8 },
    },
  ];
};

export const growth: Case = async (stage) => {
  const grown = await stage.million();
  await stage.events(grown, EVENTS, MANY);
  const big = await stage.server('service', grown);
  const small = await stage.server('service', await stage.database('empty', USERS));
  await untilProjected(big, ['global']);
  return [
    {
      what: 'growth: scores accepted a second, with 10,000,000 events and 1,000,000 users on the board',
      against: 'with empty tables',
      figure: await pairs(acceptedASecond(stage, big, MANY / USERS), acceptedASecond(stage, small)),
      target: { atLeast: 0.85 },
    },
  ];
};
