import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';
import { main } from '../scripts/database.js';
import { loadConfig } from '../src/config.js';
import { openDatabase } from '../src/development-database.js';

const FOLDERS = ['src', 'plugins', 'routes', 'schemas', 'dev', 'client/src', 'migrations'];
const SOURCE = /\.(ts|js|cjs|css|html|svg|sql)$/;

/** `npm run dev`: serves as `npm start` does, and starts again at each change of a source. PostgreSQL stays up meanwhile. */
await main(async () => {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => interrupt.abort());
  const database = await openDatabase(loadConfig(process.env).DATABASE_URL);
  const changes = new EventEmitter<{ change: [file: string] }>();
  const watchers = FOLDERS.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (file !== null && SOURCE.test(file)) changes.emit('change', `${folder}/${file}`);
    }),
  );
  try {
    while (!interrupt.signal.aborted) {
      const server = start();
      // A change from here on is in the next build, or starts another one.
      const [changed] = await once(changes, 'change', interrupt).catch(() => []);
      await stop(server);
      if (changed !== undefined) console.log(`\n  ${changed} has changed\n`);
    }
  } finally {
    for (const watcher of watchers) watcher.close();
    await database.stop();
  }
});

/** In a process group of its own: Ctrl-C reaches this process alone, and the server gets one signal, not two. */
function start(): ChildProcess {
  return spawn(process.execPath, ['dev/run.cjs', 'src/server'], { stdio: 'inherit', detached: true });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  await exited;
}
