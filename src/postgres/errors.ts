import pg from 'pg';
import { errorCode } from '../error-code.js';

/** SQLSTATEs that the code distinguishes. Source: PostgreSQL manual, appendix A. */
export const SQLSTATE = {
  uniqueViolation: '23505',
  checkViolation: '23514',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  undefinedTable: '42P01',
  duplicateTable: '42P07',
  insufficientPrivilege: '42501',
  diskFull: '53100',
  readOnly: '25006',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
} as const;

/** `08` connection, `53` resources, `57P` operator intervention, `25006` a standby that is not (yet) primary. */
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57P..|25006)$/;
const UNAVAILABLE_SYSTEM = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET|ENOENT)/;
/** node-postgres gives these faults no code. */
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|Query read timeout|timeout (exceeded|expired)|Client (has encountered a connection error|was closed)|Cannot use a pool after)/;

/** A database, or the way to it, cannot hold what the service promises. The message says what to do. */
export class UnfitDatabase extends Error {
  override readonly name = 'UnfitDatabase';
}

/** Which constraint a row has broken, if the error is of that kind. */
export function brokenConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.constraint : undefined;
}

/** Whether the database could not be asked, or not in time: worth another try, and a 503 to the caller. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (!(error instanceof Error)) return false;
  if (error instanceof UnfitDatabase) return true;
  const code = errorCode(error);
  if (code === undefined) return UNAVAILABLE_MESSAGE.test(error.message);
  return (
    code === SQLSTATE.queryCanceled ||
    code === SQLSTATE.lockNotAvailable ||
    UNAVAILABLE_SQLSTATE.test(code) ||
    UNAVAILABLE_SYSTEM.test(code)
  );
}

/** Whether an error came from PostgreSQL, or from the way there. */
export const isDatabaseError = (error: unknown): boolean =>
  error instanceof pg.DatabaseError || isDatabaseUnavailable(error);
