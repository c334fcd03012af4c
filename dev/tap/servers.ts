import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServers } from '../testing/servers.js';

/**
 * Keeps what tests share as long as `npx tap` runs, the process of the given id: `servers.js <pid>`. The variables by which
 * tests find it are written to a file; then the process that has started this one gets a message.
 */
const ENVIRONMENT = '.tap/environment.json';
const LOOK_EVERY_MS = 500;
const owner = Number(process.argv[2]);
// tap sends it to what its program `before` leaves running.
process.on('SIGTERM', () => {});
const servers = await startServers(['postgres']);
mkdirSync(dirname(ENVIRONMENT), { recursive: true });
writeFileSync(ENVIRONMENT, JSON.stringify(servers.envFor(['postgres'])));
process.send?.('ready', () => process.disconnect());
while (isRunning(owner)) await sleep(LOOK_EVERY_MS);
await servers.stop();

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
