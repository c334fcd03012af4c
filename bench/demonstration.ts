import { cpSync } from 'node:fs';
import { MIGRATIONS } from '../src/postgres/migrate.js';

/** Changes of large tables, to be tried on a database of the service: an example of each kind. */
export const DEMONSTRATION = 'bench/migrations';

/** Fills a folder with the migrations of the service, followed by the demonstration. */
export function demonstrate(folder: string): void {
  for (const source of [MIGRATIONS, DEMONSTRATION]) cpSync(source, folder, { recursive: true });
}
