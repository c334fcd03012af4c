import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import type { Server, Stage } from '../stage.js';

const USERS = 20_000;
const SECONDS = 3;

const acceptedASecond =
  (stage: Stage, { port }: Server) =>
  async (): Promise<number> => {
    const { right, seconds } = await stage.load({
      kind: 'scores',
      port,
      connections: 64,
      seconds: SECONDS,
      users: USERS,
    });
    return right / seconds;
  };

export const write: Case = async (stage) => {
  const service = await stage.server('service', await stage.database('write', USERS, USERS));
  // On a database of its own: it would hear what the other announces.
  const ceiling = await stage.server('constant receipt', await stage.database('unwritten', USERS, USERS));
  return [
    {
      what: 'write: scores accepted a second',
      against: 'the same route and checks, but a constant receipt',
      figure: await pairs(acceptedASecond(stage, service), acceptedASecond(stage, ceiling)),
      target: { atLeast: 0.7 },
    },
  ];
};

export const writeNaive: Case = async (stage) => {
  const service = await stage.server('service', await stage.database('batched', USERS, USERS));
  const naive = await stage.server('transaction a request', await stage.database('naive', USERS, USERS));
  return [
    {
      what: 'write-naive: scores accepted a second',
      against: 'the same route and checks, and a transaction of five statements a request',
      figure: await pairs(acceptedASecond(stage, service), acceptedASecond(stage, naive)),
      target: { atLeast: 4 },
    },
  ];
};

export const writeRedis: Case = async (stage) => {
  const redis = await stage.redis();
  const withRedis = await stage.server('service', await stage.database('write_redis', USERS), redis);
  const without = await stage.server('service', await stage.database('write_memory', USERS));
  return [
    {
      what: 'write-redis: scores accepted a second, with Redis',
      against: 'without Redis',
      figure: await pairs(acceptedASecond(stage, withRedis), acceptedASecond(stage, without)),
      target: { atLeast: 0.8 },
    },
  ];
};

const EVENTS = 10_000_000;
const MANY_USERS = 1_000_000;

export const growth: Case = async (stage) => {
  const grown = await stage.database('grown', MANY_USERS);
  await stage.events(grown, EVENTS, MANY_USERS);
  const big = await stage.server('service', grown);
  const small = await stage.server('service', await stage.database('empty', USERS));
  const load = (server: Server, apart: number) => async (): Promise<number> => {
    const { right, seconds } = await stage.load({
      ...{ kind: 'scores', port: server.port, connections: 64, seconds: SECONDS, users: USERS },
      apart,
    });
    return right / seconds;
  };
  return [
    {
      what: 'growth: scores accepted a second, with 10,000,000 events and 1,000,000 users',
      against: 'with empty tables',
      figure: await pairs(load(big, MANY_USERS / USERS), load(small, 1)),
      target: { atLeast: 0.85 },
    },
  ];
};
