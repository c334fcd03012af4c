import pg from 'pg';

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

/** @throws RangeError rather than give a time that is none, which would be neither before nor after any limit */
function parseTimestamp(text: string): number {
  const ms = new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).getTime();
  if (Number.isNaN(ms))
    throw new RangeError(`"${text}" is not a time as PostgreSQL writes it with DateStyle ISO`);
  return ms;
}

/** Runs queries: a pool, or a client inside a transaction. */
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
  work: (client: pg.PoolClient) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const client = await pool.connect();
  // A query may have a limit of its own, though the types of pg lack it.
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
