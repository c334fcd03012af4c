import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { SUBJECTS, startService, USERS } from '../subjects.js';
import type { Server } from '../testbed.js';

const AGAINST = 'bare Fastify and a sorted set of Redis, without accounts, tokens and a ledger';

/** The service against the least that answers the same requests: what accounts, tokens and the ledger cost. */
export const bare: Case = async (testbed) => {
  const { server } = await startService(testbed, 'beside_bare');
  const other = await testbed.bareServer(USERS);
  const perSecond = (subject: keyof typeof SUBJECTS, of: Server) => async (): Promise<number> => {
    const { right, seconds } = await SUBJECTS[subject].run(testbed, of, { bare: of === other });
    return right / seconds;
  };
  const against = async (subject: keyof typeof SUBJECTS) => ({
    against: AGAINST,
    figure: await pairs(perSecond(subject, server), perSecond(subject, other)),
  });
  return [
    { what: 'bare: scores accepted a second', ...(await against('write')) },
    { what: 'bare: pages of the top ten a second', ...(await against('top')), target: { atLeast: 0.8 } },
    { what: 'bare: ranks with ten neighbours a second', ...(await against('neighbours')) },
  ];
};
