import { cpus } from 'node:os';
import type { Case, Result } from '../case.js';
import type { LoadResult } from '../http-load.js';
import { pairs } from '../pairs.js';
import { untilProjected } from '../probe.js';
import { written } from '../subjects.js';
import { MANY, type Server, type Testbed } from '../testbed.js';

const USERS = 20_000;
const SECONDS = 1.5;
const EVENTS = 20_000_000;

/**
 * Mints the tokens of scores for a server. @returns a function that posts as many as the server accepts
 * @param step every `step`-th user of the database scores
 */
async function scores(testbed: Testbed, { port }: Server, step = 1): Promise<() => Promise<LoadResult>> {
  const job = { port, connections: 64, seconds: SECONDS, users: USERS, step };
  await testbed.mint({ kind: 'mint', ...job });
  return () => testbed.load({ kind: 'scores', ...job });
}

const acceptedPerSecond = (testbed: Testbed, server: Server, step?: number) => async (): Promise<number> => {
  const post = await scores(testbed, server, step);
  const { right, seconds } = await post();
  return right / seconds;
};

/** Processor time per score in microseconds: of the server, and of the whole machine. */
async function costs(
  testbed: Testbed,
  server: Server,
  name: string,
): Promise<[server: Result, machine: Result]> {
  const post = await scores(testbed, server);
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

interface Where {
  readonly url: string;
  readonly name: string;
  readonly step?: number;
}

/** What PostgreSQL writes for a score: little else than images of pages if these are changed for the first time since a checkpoint. */
async function sizes(testbed: Testbed, server: Server, { url, name, step }: Where): Promise<Result[]> {
  const post = await scores(testbed, server, step);
  const before = await written(url);
  const { right } = await post();
  const after = await written(url);
  const each = (what: keyof typeof before) => (after[what] - before[what]) / right;
  const line = (what: string, figure: number) => ({ what: `${name}: ${what}`, against: '', figure });
  return [
    line('bytes of the write-ahead log for a score', each('log')),
    line('of these pages that are copied to the log after a checkpoint, in number', each('images')),
    line('bytes by which tables and indexes grow for a score of a known player', each('tables')),
  ];
}

/** Has all users score, so that what follows changes pages that are in the log since the last checkpoint. */
async function settle(testbed: Testbed, server: Server, step?: number): Promise<void> {
  for (let posted = 0; posted < USERS; ) {
    const post = await scores(testbed, server, step);
    posted += (await post()).right;
  }
}

/** Processor time of the server per score, in microseconds. */
export const cpuPerScore = (testbed: Testbed, server: Server) => async (): Promise<number> => {
  const post = await scores(testbed, server);
  const before = await server.used('cpu');
  const { right } = await post();
  return (((await server.used('cpu')) - before) * 1e6) / right;
};

const busySeconds = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1000;

/** Each service has its own database, or they would follow each other's changes. All users already have an entry. */
const database = (testbed: Testbed, name: string): Promise<string> => testbed.database(name, USERS, USERS);

export const write: Case = async (testbed) => {
  const url = await database(testbed, 'written');
  const service = await testbed.server('service', url);
  const ceiling = await testbed.server('constant receipt', await database(testbed, 'unwritten'));
  return [
    {
      what: 'write: scores accepted a second',
      against: 'the same route and checks, but a constant receipt',
      figure: await pairs(acceptedPerSecond(testbed, service), acceptedPerSecond(testbed, ceiling)),
      target: { atLeast: 0.7 },
    },
    ...(await costs(testbed, service, 'write')),
    ...(await sizes(testbed, service, { url, name: 'write' })),
    ...(await costs(testbed, ceiling, 'write, constant receipt')),
  ];
};

export const writeNaive: Case = async (testbed) => {
  const service = await testbed.server('service', await database(testbed, 'batched'));
  const naive = await testbed.server('transaction a request', await database(testbed, 'naive'));
  return [
    {
      what: 'write-naive: scores accepted a second',
      against: 'the same route and checks, and a transaction of five statements a request',
      figure: await pairs(acceptedPerSecond(testbed, service), acceptedPerSecond(testbed, naive)),
      target: { atLeast: 4 },
    },
    ...(await costs(testbed, naive, 'write-naive, a transaction a request')),
  ];
};

export const writeRedis: Case = async (testbed) => {
  const withRedis = await testbed.server(
    'service',
    await database(testbed, 'in_redis'),
    await testbed.redis(),
  );
  const without = await testbed.server('service', await database(testbed, 'in_memory'));
  await untilProjected(withRedis, ['global']);
  return [
    {
      what: 'write-redis: scores accepted a second, with Redis',
      against: 'without Redis',
      figure: await pairs(acceptedPerSecond(testbed, withRedis), acceptedPerSecond(testbed, without)),
      target: { atLeast: 0.8 },
    },
  ];
};

export const growth: Case = async (testbed) => {
  const grown = await testbed.million();
  await testbed.events(grown, EVENTS, MANY);
  const big = await testbed.server('service', grown);
  const empty = await testbed.database('empty', USERS);
  const small = await testbed.server('service', empty);
  await untilProjected(big, ['global']);
  const step = MANY / USERS;
  const [ofGrown, ofEmpty] = [
    { url: grown, name: 'growth, 20,000,000 events', step },
    { url: empty, name: 'growth, empty tables' },
  ];
  const first = await sizes(testbed, big, { ...ofGrown, name: `${ofGrown.name}, after a checkpoint` });
  await settle(testbed, big, step);
  await settle(testbed, small);
  return [
    {
      what: 'growth: scores accepted a second, with 20,000,000 events and 1,000,000 users on the board',
      against: 'with empty tables',
      figure: await pairs(acceptedPerSecond(testbed, big, step), acceptedPerSecond(testbed, small)),
      target: { atLeast: 0.85 },
    },
    ...(await sizes(testbed, big, ofGrown)),
    ...(await sizes(testbed, small, ofEmpty)),
    ...first,
  ];
};
