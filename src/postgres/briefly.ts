import { errorCode } from '../error-code.js';
import type { Queryable } from './database.js';
import { SQLSTATE } from './errors.js';
import { LOCK_TIMEOUT_MS } from './patiently.js';

/** The locks of a change were not to be had in time. */
export class NotNow extends Error {
  override readonly name = 'NotNow';
}

const PASSING = new Set<string | undefined>([
  SQLSTATE.lockNotAvailable,
  SQLSTATE.deadlockDetected,
  // A row has just come into the default partition.
  SQLSTATE.checkViolation,
  // Another instance has just done the same.
  SQLSTATE.duplicateTable,
  SQLSTATE.undefinedTable,
  SQLSTATE.uniqueViolation,
]);

/**
 * Changes a table, if the locks for that are to be had within 0.2 s: scores queue behind it.
 * @returns whether it was done
 */
export async function briefly(client: Queryable, change: () => Promise<unknown>): Promise<boolean> {
  await client.query('SAVEPOINT briefly');
  try {
    await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await change();
    return true;
  } catch (error) {
    if (!(error instanceof NotNow) && !PASSING.has(errorCode(error))) throw error;
    await client.query('ROLLBACK TO briefly');
    return false;
  }
}
