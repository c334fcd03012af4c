import { loadDatabaseUrls } from '../src/config.js';
import { openDatabase } from '../src/development-database.js';
import { assertFit, type DatabaseUrls } from '../src/postgres/fitness.js';
import { whenStarted } from '../src/postgres/when-started.js';
import { StartError } from '../src/start-error.js';
import { explained } from '../src/start-faults.js';

/**
 * Runs `work` with the database of the service in this folder, when it has started and can hold what the service promises. Its
 * URL leads to PostgreSQL itself.
 */
export const withDatabase = <T>(work: (url: string) => Promise<T>): Promise<T> =>
  withDatabaseAsItIs(async (url, urls) => {
    await whenStarted(
      () => assertFit(urls),
      (reason) => console.error(`Waiting for PostgreSQL to start (${reason})`),
    );
    return await work(url);
  });

/** The same with a database that may be any, also a standby: that of the environment, or the development default. */
export async function withDatabaseAsItIs<T>(
  work: (url: string, urls: DatabaseUrls) => Promise<T>,
): Promise<T> {
  const { DATABASE_URL: url, DATABASE_DIRECT_URL: directUrl } = loadDatabaseUrls(process.env);
  if (url === undefined && process.env['NODE_ENV'] === 'production')
    throw new StartError('DATABASE_URL is missing.');
  const database = await openDatabase(url);
  try {
    const urls = { url: database.url, directUrl };
    return await work(urls.directUrl ?? urls.url, urls);
  } finally {
    await database.stop();
  }
}

/**
 * Runs a command. A failure that the caller can fix is printed as one line, without a stack.
 * @param failed the exit code of a failure
 */
export async function main(work: () => Promise<void>, failed = 1): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = explained(thrown);
    console.error(error instanceof StartError ? error.message : error);
    process.exitCode = failed;
  }
}
