import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { buildApp } from './app.js';
import { seedDemoActions } from './catalog/demo-actions.js';
import { type Config, loadConfig, STATE_DIRECTORY } from './config.js';
import { openDatabase } from './development-database.js';
import { createLogger, terminalStream } from './observability/logging.js';
import { assertFit } from './postgres/fitness.js';
import { migrate } from './postgres/migrate.js';
import { whenStarted } from './postgres/when-started.js';
import { StartError } from './start-error.js';
import { explained } from './start-faults.js';

/** Orchestrators kill a process 30 s after SIGTERM. */
const CLOSE_WITHIN_MS = 28_000;
try {
  await start(loadConfig(process.env));
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exit(1);
}

async function start(config: Config): Promise<void> {
  const log = createLogger(config, config.production ? undefined : await terminalStream());
  const parts: Part[] = [];
  const interrupt = new AbortController();
  const starting = bringUp(config, log, parts, interrupt.signal);
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
  // Registered first, so that a signal during the start stops what was started until then.
  closeWithGrace({ delay: CLOSE_WITHIN_MS, ...hurry }, async ({ err }) => {
    if (err) log.error({ err }, 'Unhandled exception');
    interrupt.abort();
    // The step that is under way still uses the parts that are closed next.
    await starting.catch(() => {});
    await close();
  });
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
async function bringUp(config: Config, log: Logger, parts: Part[], interrupt: AbortSignal): Promise<void> {
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
  await migrate(directUrl ?? url);
  if (interrupt.aborted) return;
  const app = await buildApp({ ...config, DATABASE_URL: url }, log);
  parts.push(app);
  if (interrupt.aborted) return;
  const address = new URL(await app.listen({ host: config.HOST, port: config.PORT }));
  if (config.production) return;
  if (config.DATABASE_URL === undefined) await seedDemoActions(app.pg.pool);
  // Log lines of this turn are written at its end; the greeting comes after them.
  await setImmediate();
  greet(address.port, config.DATABASE_URL);
}

function greet(port: string, databaseUrl: string | undefined): void {
  const base = `http://localhost:${port}`;
  console.log(`
  scoreboard-api is ready

    Play         ${base}/
    API docs     ${base}/docs
    Live stream  ${base}/v1/leaderboards/global/stream
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
