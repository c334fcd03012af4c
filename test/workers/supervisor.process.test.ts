import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { countedFor } from '../../src/workers/shared-state.js';
import { Supervisor } from '../../src/workers/supervisor.js';

t.test('a worker that has ended without the supervisor knowing is closed without an error', async (t) => {
  const folder = t.testdir({ 'worker.mjs': "process.on('message', () => {});" });
  cluster.setupPrimary({ exec: join(folder, 'worker.mjs') });
  const supervisor = new Supervisor({
    workers: 1,
    counted: countedFor({ SSE_MAX_CONNECTIONS: 1, SSE_MAX_CONNECTIONS_PER_IP: 1 }),
    closeWithinMs: 10_000,
    onReady: () => {},
    log: pino({ level: 'silent' }),
  });
  const ended = supervisor.run();
  const [worker] = Object.values(cluster.workers ?? {});
  assert(worker !== undefined);
  await once(worker, 'online');
  // What is sent after input was read leaves before more is read, such as the end of the worker's channel.
  await readFile(join(folder, 'worker.mjs'));
  worker.process.kill('SIGKILL');
  while (isRunning(worker.process.pid));
  supervisor.stop();
  t.equal(await ended, 1, 'and its own end is what counts');
});

/** Its other threads may outlive its first, and hold what it has open. */
const isRunning = (pid: number | undefined): boolean =>
  !/^State:\tZ(.|\n)*^Threads:\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
