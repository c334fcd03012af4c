import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually } from '../api.js';

/** Waits until exactly so many statements of this database wait for a lock. */
export const waiting = (pool: pg.Pool, statements: number): Promise<void> =>
  eventually(async () => {
    const { rowCount } = await pool.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    assert.equal(rowCount, statements);
  });

/** Starts `work` while a transaction has made a change, and commits when so many statements wait for it. */
export async function during<T>(
  pool: pg.Pool,
  change: (client: pg.ClientBase) => Promise<unknown>,
  statements: number,
  work: () => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await change(client);
    const result = work();
    await waiting(pool, statements);
    await client.query('COMMIT');
    return await result;
  } finally {
    client.release(true);
  }
}
