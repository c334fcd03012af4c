import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { query } from '../dev/databases.js';
import { connectRedis } from '../src/redis/connection.js';

/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_A_SECOND = 100;

interface Stat {
  readonly parent: number;
  readonly seconds: number;
  /** Of children that have ended. */
  readonly endedSeconds: number;
}

/** A line of /proc/<pid>/stat, or null if the process has ended. Source: proc(5). */
function statOf(pid: string): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program, which comes before, may hold spaces and parentheses.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11);
    return {
      parent,
      seconds: (user + system) / TICKS_A_SECOND,
      endedSeconds: (endedUser + endedSystem) / TICKS_A_SECOND,
    };
  } catch {
    return null;
  }
}

/** A process and all of its children. */
export const treeOf = (pid: number): number[] => [
  pid,
  ...processes()
    .filter(({ parent }) => parent === pid)
    .map((child) => child.pid),
];

/** Processor time of these processes so far, in seconds. */
export const secondsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (statOf(String(pid))?.seconds ?? 0), 0);

/** Memory of these processes in bytes, where each has its part of what several have in common (PSS). */
export const memoryOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const kilobytes = /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1];
    return sum + Number(kilobytes) * 1_024;
  }, 0);

const processes = (): (Stat & { readonly pid: number })[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = statOf(name);
      return stat === null ? [] : { ...stat, pid: Number(name) };
    });

/** Processor time so far, in seconds, of a server of PostgreSQL and all of its processes. @param url of one of its databases */
export async function postgresSeconds(url: string): Promise<() => number> {
  const [row] = await query<{ directory: string }>(
    url,
    `SELECT current_setting('data_directory') AS directory`,
  );
  const [pid = ''] = readFileSync(join(row?.directory ?? '', 'postmaster.pid'), 'utf8').split('\n');
  return () => {
    const server = statOf(pid);
    if (server === null) throw new Error('PostgreSQL has ended');
    const children = processes().filter(({ parent }) => parent === Number(pid));
    return children.reduce((sum, { seconds }) => sum + seconds, server.seconds + server.endedSeconds);
  };
}

/** Processor time so far, in seconds, of a Redis server and its threads. */
export async function redisSeconds(url: string): Promise<() => number> {
  const client = connectRedis('single', url);
  await once(client, 'ready');
  const pid = Number(/^process_id:(\d+)/m.exec(await client.info('server'))?.[1]);
  client.disconnect();
  return () => secondsOf([pid]);
}
