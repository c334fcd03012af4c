import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { seedDemoActions } from './catalog/demo-actions.js';
import { type Config, loadConfig, STATE_DIRECTORY } from './config.js';
import { openDatabase } from './development-database.js';
import { ENDING_SIGNALS } from './ending-signals.js';
import { createLogger, terminalStream } from './observability/logging.js';
import { assertFit } from './postgres/fitness.js';
import { migrate } from './postgres/migrate.js';
import { whenStarted } from './postgres/when-started.js';
import { StartError } from './start-error.js';
import { explained } from './start-faults.js';
import { countedFor, ownState } from './workers/shared-state.js';
import { Supervisor } from './workers/supervisor.js';
import { connectToSupervisor, type Worker } from './workers/worker.js';

/** Orchestrators kill a process 30 s after SIGTERM. */
const CLOSE_WITHIN_MS = 28_000;
/** The least that an instance needs: see plugins/db.ts. */
const LEAST_CONNECTIONS = 4;

try {
  const config = loadConfig(process.env);
  const worker = connectToSupervisor();
  if (worker !== null) await start(shareOf(config), worker);
  else if (config.WORKERS === 1) await start(config, null);
  else await supervise(config);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exit(1);
}

/** A worker's part of what the environment gives to the whole instance. */
function shareOf(config: Config): Config {
  const part = (whole: number) => Math.ceil(whole / config.WORKERS);
  return {
    ...config,
    DATABASE_POOL_SIZE: Math.max(LEAST_CONNECTIONS, part(config.DATABASE_POOL_SIZE)),
    PROJECTION_MEMORY_MB: part(config.PROJECTION_MEMORY_MB),
  };
}

/** Runs the service as several processes. Ends when all of them have ended. */
async function supervise(config: Config): Promise<void> {
  const supervisor = new Supervisor({
    workers: config.WORKERS,
    counted: countedFor(config),
    closeWithinMs: CLOSE_WITHIN_MS,
    onReady: (port) => {
      if (!config.production) greet(String(port), config);
    },
    log: createLogger(config, config.production ? undefined : await terminalStream()),
  });
  for (const signal of ENDING_SIGNALS) process.on(signal, () => supervisor.stop());
  process.exit(await supervisor.run());
}

/** @param worker this process, if others share its port */
async function start(config: Config, worker: Worker | null): Promise<void> {
  const log = createLogger(config, config.production ? undefined : await terminalStream());
  const parts: Part[] = [];
  const interrupt = new AbortController();
  const starting = bringUp(config, worker, log, parts, interrupt.signal);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      for (const part of parts.reverse()) await part.close();
    })();
    return closing;
  };
  const hurry = {
    onSecondSignal: (signal?: string) => log.warn({ data: { signal } }, 'Second signal: ended at once'),
    onSecondError: (err: unknown) => log.error({ err }, 'Unhandled exception'),
  };
  // Registered first, so that a signal during the start stops what was started until then. Signals to a worker are those that
  // a terminal sends to all processes: its supervisor closes it.
  const signals = worker === null ? [] : ENDING_SIGNALS;
  for (const signal of signals) process.on(signal, () => {});
  const grace = closeWithGrace({ delay: CLOSE_WITHIN_MS, skip: signals, ...hurry }, async ({ err }) => {
    if (err) log.error({ err }, 'Unhandled exception');
    interrupt.abort();
    // The step that is under way still uses the parts that are closed next.
    await starting.catch(() => {});
    await close();
  });
  worker?.stopped.then(grace.close);
  try {
    await starting;
  } catch (error) {
    if (interrupt.signal.aborted) return;
    await close();
    throw explained(error, config);
  }
}

interface Part {
  close(): Promise<unknown>;
}

/** Starts one part after the other, until it is interrupted, and adds to `parts` what is to be closed later. */
async function bringUp(
  config: Config,
  worker: Worker | null,
  log: Logger,
  parts: Part[],
  interrupt: AbortSignal,
): Promise<void> {
  const { url, stop } = await openDatabase(config.DATABASE_URL);
  parts.push({ close: stop });
  if (interrupt.aborted) return;
  const directUrl = config.DATABASE_DIRECT_URL;
  await whenStarted(
    () => assertFit({ url, directUrl }),
    (reason) => log.warn({ data: { reason } }, 'Waiting for PostgreSQL to start'),
    { signal: interrupt },
  );
  if (interrupt.aborted) return;
  // Loading it takes most of a start: a supervisor, and a start that fails before, do without it.
  const { buildApp, buildMigratingApp } = await import('./app.js');
  const appConfig = { ...config, DATABASE_URL: url };
  const place = { host: config.HOST, port: config.PORT };
  const early: Part[] = [];
  parts.push({ close: async () => early.pop()?.close() });
  await migrate(directUrl ?? url, {
    signal: interrupt,
    report: (message, data) => log.info({ data }, message),
    onPending: async () => {
      const app = await buildMigratingApp(appConfig, log);
      early.push(app);
      const { port } = new URL(await app.listen(place));
      // Workers share what is open at a port, also at 0.
      if (worker === null) place.port = Number(port);
    },
  });
  if (interrupt.aborted) return;
  const state = worker?.state ?? ownState(countedFor(config));
  const app = await buildApp(appConfig, log, state);
  parts.push(app);
  if (interrupt.aborted) return;
  await early.pop()?.close();
  const address = new URL(await app.listen(place));
  const adminPort = await app.openAdminPort(config.HOST);
  if (!config.production && config.DATABASE_URL === undefined) await seedDemoActions(app.pg.pool);
  worker?.ready(Number(address.port));
  if (config.production || worker !== null) return;
  // Log lines of this turn are written at its end; the greeting comes after them.
  await setImmediate();
  greet(address.port, config, adminPort ?? address.port);
}

function greet(port: string, config: Config, adminPort: string | number = config.ADMIN_PORT ?? port): void {
  const { DATABASE_URL: databaseUrl } = config;
  const isConsoleOn = config.ADMIN_CONSOLE === 'on';
  const base = `http://localhost:${port}`;
  console.log(`
  scoreboard-api is ready

    Play         ${base}/
    API docs     ${base}/docs
${isConsoleOn ? `    Console      http://localhost:${adminPort}/admin\n` : ''}    Live stream  ${base}/v1/leaderboards/global/stream
    Health       ${base}/health
    Database     ${databaseUrl === undefined ? `PostgreSQL of its own, kept in ${join(STATE_DIRECTORY, 'postgres')}` : `that of DATABASE_URL, at ${placeOf(databaseUrl)}: for development, but without demo actions`}

  Ctrl-C stops it; everything is kept.
`);
}

/** Without user and password. */
function placeOf(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return host + pathname;
}
