import { resolve } from 'node:path';
import { STATE_DIRECTORY } from './config.js';
import { errorCode } from './error-code.js';
import { StartError } from './start-error.js';

/** A database in use, until `stop()`. */
export interface DatabaseInUse {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * The database at `url`, or without one the development database of this folder, whose server is started if need be.
 * @throws StartError
 */
export async function openDatabase(url: string | undefined): Promise<DatabaseInUse> {
  if (url !== undefined) return { url, stop: async () => {} };
  const { startEmbeddedPostgres } = await loadEmbeddedPostgres();
  return startEmbeddedPostgres({ directory: resolve(STATE_DIRECTORY, 'postgres') });
}

/** dev/ is loaded only when it is needed, as the image does not have it. */
async function loadEmbeddedPostgres() {
  try {
    return await import('../dev/embedded-postgres.js');
  } catch (error) {
    if (errorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new StartError(
      'DATABASE_URL is missing, and this installation has no development database: ' +
        'set DATABASE_URL, for example postgres://user:password@host:5432/scoreboard',
      { cause: error },
    );
  }
}
