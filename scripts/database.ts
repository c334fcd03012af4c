import { openDatabase } from '../src/development-database.js';
import { StartError } from '../src/start-error.js';
import { explained } from '../src/start-faults.js';

/** The database that the service in this folder uses: DATABASE_URL, or the development default. */
export async function withDatabase<T>(work: (url: string) => Promise<T>): Promise<T> {
  const { DATABASE_URL: url, NODE_ENV } = process.env;
  if (!url && NODE_ENV === 'production') throw new StartError('DATABASE_URL is missing.');
  const database = await openDatabase(url || undefined);
  try {
    return await work(database.url);
  } finally {
    await database.stop();
  }
}

/** Runs a command line; a fault that the caller can mend is one line, without a stack. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = explained(thrown);
    console.error(error instanceof StartError ? error.message : error);
    process.exitCode = 1;
  }
}
