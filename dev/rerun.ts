import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';

const SOURCE = /\.(ts|js|cjs|css|html|svg|sql)$/;

/** Aborts at Ctrl-C, or when the process is to end for another reason. */
export function interruption(): AbortSignal {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => interrupt.abort());
  return interrupt.signal;
}

/** Builds and runs a module, and does so again at each change of a source in these folders, until `signal` aborts. */
export async function rerun(
  folders: readonly string[],
  signal: AbortSignal,
  module: string,
  args: readonly string[] = [],
): Promise<void> {
  const changes = new EventEmitter<{ change: [file: string] }>();
  const watchers = folders.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (file !== null && SOURCE.test(file)) changes.emit('change', `${folder}/${file}`);
    }),
  );
  try {
    while (!signal.aborted) {
      const running = start(module, args);
      // A change from here on is in the next build, or starts another one.
      const [changed] = await once(changes, 'change', { signal }).catch(() => []);
      await stop(running);
      if (changed !== undefined) console.log(`\n  ${changed} has changed\n`);
    }
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}

/** In a process group of its own: Ctrl-C reaches this process alone, and the module gets one signal, not two. */
function start(module: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['dev/run.cjs', module, ...args], { stdio: 'inherit', detached: true });
}

async function stop(running: ChildProcess): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null) return;
  const exited = once(running, 'exit');
  running.kill('SIGTERM');
  await exited;
}
