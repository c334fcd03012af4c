import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { Import } from '../schemas/import.js';
import { OPERATOR } from '../src/audit.js';
import { Problem } from '../src/errors.js';
import { countNextPage } from '../src/imports/count-rows.js';
import { Imports } from '../src/imports/imports.js';
import type { Pace } from '../src/imports/pace.js';
import { poolOptions } from '../src/postgres/connection.js';
import { transact } from '../src/postgres/database.js';
import { isDatabaseError } from '../src/postgres/errors.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';

const USAGE = `Imports scores from a CSV file. The service may run: it shows them when all are counted. If it is cut off, run it again: no row counts twice.

  npm run import -- <file> --board <id> [options]

  --season <n>   a season that takes scores; by default the one in force
  --dry-run      says what would become of each row, and counts nothing
  --resume <id>  goes on with an import that was cut off, in place of --board

Its first line names the columns: externalId and score, and if you have them displayName, achievedAt, metadata and key.`;

const OPTIONS = { application_name: 'scoreboard-api import', connectionTimeoutMillis: 5_000, max: 2 };
/** Names this process where instances are named. */
const WRITER = 'import';
const TELL_EVERY_MS = 2_000;
const LOOK_AGAIN_MS = 200;

await main(async () => {
  const wanted = readArguments();
  const done = await withDatabase(async (url) => {
    const pool = new pg.Pool(poolOptions(url, OPTIONS, false));
    pool.on('error', () => {});
    try {
      return await importFile(pool, wanted);
    } catch (error) {
      if (error instanceof Problem) throw new StartError(error.message, { cause: error });
      if (!isDatabaseError(error) || !(error instanceof Error)) throw error;
      throw new StartError(`PostgreSQL failed: ${error.message}. Run it again: no row counts twice.`, {
        cause: error,
      });
    } finally {
      await pool.end();
    }
  });
  for (const { line, code, message } of done.faults) console.log(`line ${line}: ${message} (${code})`);
  if (done.faulty > done.faults.length) console.log(`… and ${done.faulty - done.faults.length} more`);
  console.log(summaryOf(done));
  if (done.state === 'failed' || done.faulty > 0) process.exitCode = 1;
});

async function importFile(pool: pg.Pool, { file, resume, ...wanted }: Wanted): Promise<Import> {
  const imports = new Imports(pool);
  const begun = resume === undefined ? await imports.begin(wanted, OPERATOR) : await imports.get(resume);
  console.error(`Import ${begun.id} of ${file} to "${begun.leaderboard}", season ${begun.season}`);
  if (begun.state === 'receiving')
    await imports.receive(
      begun.id,
      begun.receivedBytes,
      createReadStream(file, { start: begun.receivedBytes }),
      resume === undefined ? null : OPERATOR,
    );
  let told = performance.now();
  let pace: Pace | undefined;
  for (;;) {
    // A running service counts too. The one with the lock goes on.
    const { state, ...next } = await transact(pool, (client) =>
      countNextPage(client, begun.id, WRITER, pace),
    );
    if (state === 'over') return await imports.get(begun.id);
    pace = next.pace;
    if (state === 'locked') await delay(LOOK_AGAIN_MS);
    if (performance.now() - told < TELL_EVERY_MS) continue;
    told = performance.now();
    const { done, rows } = await imports.get(begun.id);
    console.error(`${done.toLocaleString('en')} of ${rows.toLocaleString('en')} rows`);
  }
}

function summaryOf({ dryRun, state, problem, rows, counted, known, faulty, newUsers }: Import): string {
  const n = (count: number) => count.toLocaleString('en');
  const verb = dryRun ? 'would count' : 'count';
  const made = dryRun ? 'would be made' : 'were made';
  return [
    `${n(rows)} rows: ${n(counted)} ${verb}, ${n(known)} were known, ${n(faulty)} have faults. ${n(newUsers)} players ${made}.`,
    ...(state === 'failed' ? [`It has failed: ${problem}. What counts stays.`] : []),
  ].join('\n');
}

interface Wanted {
  readonly file: string;
  readonly board: string;
  readonly season: number | undefined;
  readonly dryRun: boolean;
  readonly resume: string | undefined;
}

function readArguments(): Wanted {
  const { positionals, values } = parseCommandLine();
  const [file, ...rest] = positionals;
  const { board = '', resume } = values;
  const season = values.season === undefined ? undefined : Number(values.season);
  const isSeason = season === undefined || (Number.isInteger(season) && season > 0);
  if (file === undefined || rest.length > 0 || !isSeason || (board === '') === (resume === undefined))
    throw new StartError(USAGE);
  return { file, board, season, dryRun: values['dry-run'] ?? false, resume };
}

function parseCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        board: { type: 'string' },
        season: { type: 'string' },
        'dry-run': { type: 'boolean' },
        resume: { type: 'string' },
      },
    });
  } catch (cause) {
    throw new StartError(USAGE, { cause });
  }
}
