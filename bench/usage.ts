import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What a process has used so far: processor time in seconds, or memory after a collection in bytes. */
export type Asked = 'cpu' | 'memory';

/** Answers over IPC what this process has used. */
export function answerUsage(): void {
  process.on('message', (asked: Asked) => process.send?.(asked === 'cpu' ? cpu() : memory()));
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
