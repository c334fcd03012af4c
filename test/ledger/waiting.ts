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

export type Change = (client: pg.ClientBase) => Promise<unknown>;

/** Makes a change in a transaction, which the returned function commits. */
export async function holding(pool: pg.Pool, change: Change): Promise<() => Promise<void>> {
  const client = await pool.connect();
  await client.query('BEGIN');
  await change(client);
  return async () => {
    await client.query('COMMIT');
    client.release(true);
  };
}

/** Starts `work` while a transaction has made a change, and commits when ledgers have found its user locked. */
export async function whileLocked<T>(
  pool: pg.Pool,
  change: Change,
  ledgers: readonly { readonly flushes: () => number; readonly ledger: { readonly waiting: number } }[],
  work: () => Promise<T>,
): Promise<T> {
  const commit = await holding(pool, change);
  const before = ledgers.map(({ flushes }) => flushes());
  const result = work();
  await eventually(async () => {
    for (const [i, { flushes, ledger }] of ledgers.entries()) {
      assert(flushes() > (before[i] ?? 0));
      assert(ledger.waiting > 0);
    }
  });
  await commit();
  return await result;
}

/** Starts `work` while a transaction has made a change, and commits when so many statements wait for it. */
export async function during<T>(
  pool: pg.Pool,
  change: Change,
  statements: number,
  work: () => Promise<T>,
): Promise<T> {
  const commit = await holding(pool, change);
  const result = work();
  await waiting(pool, statements);
  await commit();
  return await result;
}
