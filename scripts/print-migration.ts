import type { Told } from '../src/postgres/migration-reports.js';

/** Prints what a migration is at, for people: `Migration goes on: 12 event-status, step 2 of 3, 40,000 of about 1,000,000 rows`. */
export function printMigration(message: string, told: Told): void {
  const { version, name, action, step, steps = 1, rows = 0, rowsInTable, index, waitsFor, seconds } = told;
  const parts = [
    version !== undefined && `${version} ${name}${action === 'undo' ? ' (undone)' : ''}`,
    step !== undefined && steps > 1 && `step ${step} of ${steps}`,
    rows > 0 && `${count(rows)}${rowsInTable ? ` of about ${count(rowsInTable)}` : ''} rows`,
    index,
    waitsFor && `waits for ${waitsFor}`,
    seconds !== undefined && `${seconds} s`,
  ];
  console.error(`${message}: ${parts.filter(Boolean).join(', ')}`);
}

const count = (n: number): string => n.toLocaleString('en');
