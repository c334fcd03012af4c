import type { Case } from '../case.js';
import { SUBJECTS, USERS } from '../subjects.js';

/** Each is three seconds of scores: together enough for every user to score, and for V8 to settle. */
const RUNS = 8;

/** What the process takes of the machine's memory, as operators see it: garbage that is not collected yet counts. */
export const memory: Case = async (testbed) => {
  const server = await testbed.workers(1, await testbed.database('memory', USERS, USERS));
  const megabytes = async () => (await server.used('memory')) / 2 ** 20;
  const line = (what: string, figure: number) => ({ what: `memory: ${what}`, against: '', figure });
  const started = await megabytes();
  let scores = 0;
  for (let run = 0; run < RUNS; run++) scores += (await SUBJECTS.write.run(testbed, server)).right;
  return [
    line('MB of a service that has just started, without its share of what others use too', started),
    line(`MB after ${scores} scores of ${USERS} players on one board`, await megabytes()),
  ];
};
