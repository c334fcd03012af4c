import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startProfile } from './cpu-profile.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Processor time so far in seconds, or memory after a garbage collection in bytes. */
export type UsageKind = 'cpu' | 'memory';

/** Answers queries over IPC: usage of this process, and `profile`, where the second call returns the profile since the first. */
export function answerUsage(): void {
  let stop: ReturnType<typeof startProfile> | undefined;
  const profile = async (): Promise<unknown> => {
    const started = stop;
    stop = started === undefined ? startProfile() : undefined;
    if (started !== undefined) return (await started)();
    await stop;
    return 'started';
  };
  const answers = new Map<unknown, () => unknown>([
    ['cpu', cpu],
    ['memory', memory],
    ['profile', profile],
  ]);
  process.on('message', async (query: unknown) => {
    const answer = answers.get(query);
    if (answer !== undefined) process.send?.(await answer());
  });
}

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function memory(): number {
  collectGarbage();
  return process.memoryUsage.rss();
}

/** Bytes in use after a garbage collection, in the heap and in ArrayBuffers. */
export function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
