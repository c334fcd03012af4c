/*
 * What `npx tap` does before the tests: builds, and starts what they share, in a process that outlives this one. tap is told
 * not to take the coverage of that process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const servers = spawn(process.execPath, ['dev/run.cjs', 'dev/tap/servers', String(process.ppid)], {
  detached: true,
  env: { ...process.env, _TAPJS_PROCESSINFO_COVERAGE_: '0' },
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
const [answer] = await Promise.race([once(servers, 'message'), once(servers, 'exit')]);
process.exitCode = Number(answer !== 'ready');
servers.unref();
