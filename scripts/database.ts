import { assertMode } from '../src/config.js';
import { openDatabase } from '../src/development-database.js';
import { assertFit } from '../src/postgres/fitness.js';
import { whenStarted } from '../src/postgres/when-started.js';
import { StartError } from '../src/start-error.js';
import { explained } from '../src/start-faults.js';

/**
 * Runs `work` with the database of the service in this folder: that of the environment, or the development default. Its URL
 * leads to PostgreSQL itself.
 */
export async function withDatabase<T>(work: (url: string) => Promise<T>): Promise<T> {
  const { DATABASE_URL: url, DATABASE_DIRECT_URL: directUrl, NODE_ENV } = process.env;
  assertMode(NODE_ENV);
  if (!url && NODE_ENV === 'production') throw new StartError('DATABASE_URL is missing.');
  const database = await openDatabase(url || undefined);
  try {
    const urls = { url: database.url, directUrl: directUrl || undefined };
    await whenStarted(
      () => assertFit(urls),
      (reason) => console.error(`Waiting for PostgreSQL to start (${reason})`),
    );
    return await work(urls.directUrl ?? urls.url);
  } finally {
    await database.stop();
  }
}

/** Runs a command. A failure that the caller can fix is printed as one line, without a stack. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = explained(thrown);
    console.error(error instanceof StartError ? error.message : error);
    process.exitCode = 1;
  }
}
