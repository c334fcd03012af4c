import pg from 'pg';

/** SQLSTATEs that the code tells apart. Source: PostgreSQL manual, appendix A. */
export const SQLSTATE = {
  foreignKeyViolation: '23503',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
} as const;

/** `08` connection, `53` resources, `57P` operator intervention, `25006` a standby that is not (yet) primary. */
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57P..|25006)$/;
const UNAVAILABLE_SYSTEM = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET|ENOENT)/;
/** node-postgres gives these faults no code. */
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|Query read timeout|timeout (exceeded|expired)|Client (has encountered a connection error|was closed)|Cannot use a pool after)/;

/** The code of a database error: a SQLSTATE, or a system error such as ECONNREFUSED. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Which constraint a row has broken, if the error is of that kind. */
export function brokenConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.constraint : undefined;
}

/** Whether the database could not be asked, or not in time: worth another try, and a 503 to the caller. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (!(error instanceof Error)) return false;
  const code = errorCode(error);
  if (code === undefined) return UNAVAILABLE_MESSAGE.test(error.message);
  return code === SQLSTATE.queryCanceled || UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_SYSTEM.test(code);
}

const INT8 = 20;
const TIMESTAMPTZ = 1184;

/** Row parsers: bigint as number (every bigint here is within ±2^53), timestamps as milliseconds since the epoch. */
export const types = {
  getTypeParser(id: number, format?: 'text' | 'binary') {
    if (format !== 'binary' && id === INT8) return Number;
    if (format !== 'binary' && id === TIMESTAMPTZ) return parseTimestamp;
    return pg.types.getTypeParser(id, format);
  },
};

const parseTimestamp = (text: string): number =>
  new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).getTime();

/** What a query needs: a pool, or a client inside a transaction. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(
    text: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<R>>;
}

/**
 * Runs `work` in a transaction on a connection of its own. If anything goes wrong, the connection is closed rather
 * than handed back: after a failed COMMIT nobody knows what state it is in.
 * @param timeoutMs how long the transaction may take to begin, and to end; else it is as the pool says
 */
export async function transact<T>(
  pool: pg.Pool,
  work: (client: Queryable) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const client = await pool.connect();
  // The types do not know of it, but a query may have a limit of its own.
  const limited = (text: string) => ({ text, ...(timeoutMs !== undefined && { query_timeout: timeoutMs }) });
  try {
    await client.query(limited('BEGIN'));
    const result = await work(client);
    await client.query(limited('COMMIT'));
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
