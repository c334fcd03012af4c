import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTemplate, inDatabase, query } from '../dev/databases.js';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import { ensureTestPrograms } from '../dev/test-program.js';
import { StartError } from '../src/start-error.js';
import { reportTap } from './tap-report.js';

/**
 * Runs the tests on a PostgreSQL server of their own: `npm test -- [test/some.test.ts ...] [options of tap]`.
 * They find it in TEST_POSTGRES_URL, with a migrated database `scoreboard_template` to clone. Redis and Prometheus
 * they start themselves, with programs that are installed here if need be.
 */
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupt.abort());

const isTest = (argument: string) => /\.test\.[jt]s$/.test(argument);
const given = process.argv.slice(2);
const files = compiledTests(given.filter(isTest));
const options = given.filter((argument) => !isTest(argument));
const directory = mkdtempSync(join(tmpdir(), 'scoreboard-test-'));
process.exitCode = 1;
try {
  ensureTestPrograms();
  const server = await startEmbeddedPostgres({ directory, fsync: false });
  try {
    await createTemplate(server.url, 'scoreboard_template');
    const { code, passed, failed } = await runTap(inDatabase(server.url, 'postgres'));
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = code === 0 && passed > 0 && failed === 0 ? 0 : code || 1;
  } finally {
    // Else the stop would leave the server to whoever is still connected.
    await query(
      server.url,
      "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    await server.stop();
  }
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** The compiled twins of the sources: what dist/ still holds of a deleted source is not run. */
function compiledTests(chosen: string[]): string[] {
  const compiled = fileURLToPath(new URL('..', import.meta.url));
  const names = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter(isTest).sort();
  const sources = chosen.length > 0 ? chosen : names.map((name) => join('test', name));
  const twins = sources.map((source) =>
    join(
      compiled,
      relative('.', source)
        .replace(/^dist\//, '')
        .replace(/ts$/, 'js'),
    ),
  );
  const missing = twins.find((twin) => !existsSync(twin));
  if (missing === undefined) return twins;
  console.error(`There is no test ${missing}`);
  process.exit(1);
}

/** Runs tap in a process group of its own, so that nothing of it outlives the run. */
async function runTap(url: string) {
  if (interrupt.signal.aborted) return { code: 1, passed: 0, failed: 0 };
  const tap = spawn('node_modules/.bin/tap', ['run', '--reporter=tap', ...options, ...files], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TEST_POSTGRES_URL: url },
  });
  const closed = once(tap, 'close');
  interrupt.signal.addEventListener('abort', async () => {
    killGroup(tap.pid, 'SIGTERM');
    await sleep(5_000, undefined, { ref: false });
    killGroup(tap.pid, 'SIGKILL');
  });
  const totals = await reportTap(createInterface({ input: tap.stdout }), console.log);
  const [code] = await closed;
  killGroup(tap.pid, 'SIGKILL');
  return { code: Number(code ?? 1), ...totals };
}

function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // Nobody is left in it.
  }
}
