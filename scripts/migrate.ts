import { migrate } from '../src/postgres/migrate.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';
import { printMigration } from './print-migration.js';

await main(async () => {
  const [target, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (target !== undefined && !/^\d+$/.test(target))) {
    throw new StartError(
      'Usage: npm run migrate [-- <version>]   (the newest by default; 0 undoes everything)',
    );
  }
  const { from, to } = await withDatabase((url) =>
    migrate(url, {
      target: target === undefined ? undefined : Number(target),
      report: printMigration,
      reportEveryMs: process.stdout.isTTY ? 2_000 : 15_000,
    }),
  );
  console.log(
    from === to
      ? `The schema is already at version ${to}.`
      : `The schema went from version ${from} to ${to}.`,
  );
});
