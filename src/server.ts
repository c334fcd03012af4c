import { join, resolve } from 'node:path';
import closeWithGrace from 'close-with-grace';
import { buildApp } from './app.js';
import { type Config, loadConfig, STATE_DIRECTORY } from './config.js';
import { errorCode, isDatabaseUnavailable } from './database.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { migrate } from './migrate.js';
import { StartError } from './start-error.js';

/** Orchestrators kill 30 s after SIGTERM: what is not answered by then never will be. */
const CLOSE_WITHIN_MS = 28_000;
/** Class 28: who we are is not believed. 3D000: no such database. */
const REFUSED_BY_DATABASE = /^(28...|3D000)$/;

try {
  await start(loadConfig(process.env));
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exit(1);
}

async function start(config: Config): Promise<void> {
  const database =
    config.DATABASE_URL === undefined
      ? await startEmbeddedPostgres({ directory: resolve(STATE_DIRECTORY, 'postgres') })
      : { url: config.DATABASE_URL, stop: async () => {} };
  try {
    await migrate(database.url);
    const app = await buildApp({ ...config, DATABASE_URL: database.url });
    closeWithGrace({ delay: CLOSE_WITHIN_MS, logger: app.log }, async ({ err }) => {
      if (err) app.log.fatal({ err }, 'Unhandled exception');
      await app.close();
      await database.stop();
    });
    const address = new URL(await app.listen({ host: config.HOST, port: config.PORT }));
    if (!config.production) greet(address.port, config.DATABASE_URL === undefined);
  } catch (error) {
    await database.stop();
    throw explained(error, config);
  }
}

/** A fault at start that an operator can mend, in a line that says how. Anything else stays what it is. */
function explained(error: unknown, { HOST, PORT }: Config): unknown {
  const code = errorCode(error) ?? '';
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'EADDRINUSE') {
    return new StartError(
      `Port ${PORT} is in use. Stop the program that has it, or set PORT to another one.`,
    );
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    return new StartError(
      `Cannot listen on ${HOST}:${PORT} (${code}). Set HOST and PORT to what this machine allows.`,
    );
  }
  if (REFUSED_BY_DATABASE.test(code)) {
    return new StartError(
      `PostgreSQL refuses DATABASE_URL: ${reason}. Mend its user, password or database name.`,
    );
  }
  if (isDatabaseUnavailable(error)) {
    return new StartError(
      `Cannot reach PostgreSQL at DATABASE_URL (${code || reason}). Start it, or mend the address. Without DATABASE_URL a database of its own is used outside production.`,
    );
  }
  return error;
}

function greet(port: string, embedded: boolean): void {
  const base = `http://localhost:${port}`;
  console.log(`
  scoreboard-api is ready

    API docs     ${base}/docs
    Live stream  ${base}/v1/leaderboards/global/stream
    Health       ${base}/health
${embedded ? `    Database     PostgreSQL of its own, kept in ${join(STATE_DIRECTORY, 'postgres')}\n` : ''}
  Ctrl-C stops it; everything is kept.
`);
}
