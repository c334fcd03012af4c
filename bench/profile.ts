import { writeFileSync } from 'node:fs';
import { byPart, callTree } from './cpu-profile.js';
import { flameGraph } from './flame-graph.js';
import type { Job, Timing } from './load-process.js';
import { Testbed } from './testbed.js';
import { exitUnknown } from './unknown-names.js';

/*
 * `npm run profile -- write|top [picture.svg]`: processor time of a request by part of the service, and a flame graph.
 */

const USERS = 20_000;
const SECONDS = 8;
const WARM_UP_SECONDS = 4;

const JOBS = new Map<string, (timing: Timing) => Job>([
  ['write', (timing) => ({ ...timing, kind: 'scores', users: USERS })],
  [
    'top',
    (timing) => ({
      ...timing,
      ...{ kind: 'reads', paths: ['/v1/leaderboards/global/entries?limit=10'], expected: '"rank":10' },
    }),
  ],
]);

const [what = 'write', file] = process.argv.slice(2);
const job = JOBS.get(what);
if (job === undefined) exitUnknown('profile', [what], JOBS.keys());
const testbed = new Testbed();
try {
  const server = await testbed.server('service', await testbed.database('profile', USERS, USERS));
  const timing = { port: server.port, connections: 64 };
  await testbed.load(job({ ...timing, seconds: WARM_UP_SECONDS }));
  const { result, profile } = await server.profiled(() => testbed.load(job({ ...timing, seconds: SECONDS })));
  const tree = callTree(profile);
  const each = tree.micros / result.right;
  const lines = byPart(tree).map(
    ([part, micros]) =>
      `| ${part} | ${(micros / result.right).toFixed(1)} | ${((micros / tree.micros) * 100).toFixed(1)} % |`,
  );
  console.log(
    `| part | µs a request | share |\n|---|---:|---:|\n${lines.join('\n')}\n| all | ${each.toFixed(1)} | 100 % |`,
  );
  console.log(`\n${result.right} requests, ${(result.right / result.seconds).toFixed(0)} a second, profiled`);
  if (file !== undefined) {
    writeFileSync(file, flameGraph(tree, `${what}: ${each.toFixed(0)} µs of the server for a request`));
    console.log(`The flame graph is in ${file}`);
  }
} finally {
  await testbed.end();
}
