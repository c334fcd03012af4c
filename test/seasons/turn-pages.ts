import type pg from 'pg';
import { PageTurner } from '../../src/seasons/turning.js';

/** Turns the pages of all boards that are due, as an instance does that has just started. The first fault is thrown. */
export async function turnPages(pool: pg.Pool, writer: string): Promise<number | null> {
  const faults: Error[] = [];
  const next = await new PageTurner({ pool, writer, onFault: (fault) => faults.push(fault) }).turnDue();
  if (faults[0] !== undefined) throw faults[0];
  return next;
}
