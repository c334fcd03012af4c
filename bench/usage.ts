import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startProfile } from './cpu-profile.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What a process has used so far: processor time in seconds, or memory after a collection in bytes. */
export type Asked = 'cpu' | 'memory';

/** Answers over IPC what this process has used, and lets itself be profiled: it answers the second `profile` with what was seen since the first. */
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
  process.on('message', async (asked: unknown) => {
    const answer = answers.get(asked);
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

/** Bytes in use after a collection, in the heap and outside. */
export function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
