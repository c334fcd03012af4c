import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { SUBJECTS, startService, USERS } from '../subjects.js';

const SIZE = 100;
/** Each has one request on its way, so this many batches wait at a time. */
const CONNECTIONS = 8;
const SECONDS = 3;

/** Scores of a game server, many in a request, against single posts of players. */
export const batch: Case = async (testbed) => {
  const service = await startService(testbed, 'batches');
  const many = async () => {
    const job = {
      port: service.server.port,
      connections: CONNECTIONS,
      seconds: SECONDS,
      users: USERS,
      size: SIZE,
    };
    const { right, seconds } = await testbed.load({ kind: 'batches', ...job });
    return { scores: right * SIZE, seconds };
  };
  const single = async () => {
    const { right, seconds } = await SUBJECTS.write.run(testbed, service.server);
    return { scores: right, seconds };
  };
  const perSecond = (run: typeof many) => async () => {
    const { scores, seconds } = await run();
    return scores / seconds;
  };
  const microseconds = (run: typeof many) => async () => {
    const used = async () => (await service.server.used('cpu')) + service.postgresSeconds();
    const before = await used();
    const { scores } = await run();
    return (((await used()) - before) * 1e6) / scores;
  };
  const against = 'one by one';
  return [
    {
      what: `batch: scores accepted a second, ${SIZE} in a request`,
      against,
      figure: await pairs(perSecond(many), perSecond(single)),
      target: { atLeast: 8 },
    },
    {
      what: `batch: microseconds of service and PostgreSQL for a score, ${SIZE} in a request`,
      against,
      figure: await pairs(microseconds(many), microseconds(single)),
    },
  ];
};
