import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { untilProjected } from '../probe.js';
import { SUBJECTS, USERS } from '../subjects.js';
import type { Server, Testbed } from '../testbed.js';

const WORKERS = 2;
const AGAINST = 'with one worker';

async function start(testbed: Testbed, count: number): Promise<Server> {
  const server = await testbed.workers(count, await testbed.database(`with_${count}_workers`, USERS, USERS));
  // Each worker opens the board when it first reads it, and which one reads is not ours to choose.
  for (let read = 0; read < 4 * count; read++) await untilProjected(server, ['global']);
  return server;
}

/** A service of two processes against one of one process, on all cores of the machine, with the clients beside them. */
export const workers: Case = async (testbed) => {
  const one = await start(testbed, 1);
  const two = await start(testbed, WORKERS);
  const perSecond = (subject: keyof typeof SUBJECTS, of: Server) => async () => {
    const { right, seconds } = await SUBJECTS[subject].run(testbed, of);
    return right / seconds;
  };
  const microseconds = (subject: keyof typeof SUBJECTS, of: Server) => async () => {
    const before = await of.used('cpu');
    const { right } = await SUBJECTS[subject].run(testbed, of);
    return (((await of.used('cpu')) - before) * 1e6) / right;
  };
  return [
    {
      what: `workers: pages of the top ten a second, ${WORKERS} workers`,
      against: AGAINST,
      figure: await pairs(perSecond('top', two), perSecond('top', one)),
      target: { atLeast: 1.7 },
    },
    {
      what: `workers: scores accepted a second, ${WORKERS} workers`,
      against: AGAINST,
      figure: await pairs(perSecond('write', two), perSecond('write', one)),
    },
    {
      what: `workers: microseconds of the service for a score, ${WORKERS} workers`,
      against: AGAINST,
      figure: await pairs(microseconds('write', two), microseconds('write', one)),
      target: { atMost: 1.1 },
    },
    {
      what: `workers: memory of ${WORKERS} workers and their supervisor`,
      against: AGAINST,
      figure: await pairs(
        () => two.used('memory'),
        () => one.used('memory'),
        1,
      ),
      target: { atMost: 1.6 },
    },
  ];
};
