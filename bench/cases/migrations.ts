import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { query } from '../../dev/databases.js';
import { printMigration } from '../../scripts/print-migration.js';
import { migrate } from '../../src/postgres/migrate.js';
import type { Case, Result } from '../case.js';
import { DEMONSTRATION, demonstrate } from '../demonstration.js';
import type { LoadResult } from '../http-load.js';
import { untilProjected } from '../probe.js';
import { MANY, type Server, type Testbed } from '../testbed.js';

const EVENTS = 5_000_000;
const SCORES_A_SECOND = 200;
/** The load is repeated until the migration has ended. */
const SLICE_S = 10;

/** Each kind of change of a large table, while players score. */
export const migrations: Case = async (testbed) => {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-migrations-'));
  try {
    demonstrate(folder);
    const database = await testbed.database('migrations', MANY, MANY);
    await testbed.events(database, EVENTS, MANY);
    const server = await testbed.server('service', database);
    await untilProjected(server, ['global']);
    const results: Result[] = [];
    for (const file of readdirSync(DEMONSTRATION).filter((name) => name.includes('.do.'))) {
      const [version = '', , name = ''] = file.split('.');
      results.push(...(await measure(testbed, server, { database, folder, target: Number(version), name })));
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

interface Change {
  readonly database: string;
  readonly folder: string;
  readonly target: number;
  readonly name: string;
}

async function measure(testbed: Testbed, server: Server, change: Change): Promise<Result[]> {
  const { database, folder, target, name } = change;
  const before = await megabytes(database);
  const started = performance.now();
  let seconds: number | undefined;
  const migrating = migrate(database, { folder, target, report: printMigration }).then(() => {
    seconds = (performance.now() - started) / 1000;
  });
  const slices: LoadResult[] = [];
  const load = { ...server, connections: 64, seconds: SLICE_S, users: MANY / 50, step: 50 } as const;
  do slices.push(await testbed.tryLoad({ ...load, kind: 'scores', rate: SCORES_A_SECOND }));
  while (seconds === undefined);
  await migrating;
  const latencies = slices.flatMap((slice) => slice.latencies).sort((a, b) => a - b);
  const line = (what: string, figure: number, target?: Result['target']): Result => ({
    what: `migration ${name}: ${what}`,
    against: '',
    figure,
    ...(target && { target }),
  });
  return [
    line(`seconds, ${EVENTS} events and ${MANY} entries, ${SCORES_A_SECOND} scores a second`, seconds),
    line(
      'scores that failed',
      slices.reduce((sum, { wrong }) => sum + wrong, 0),
      { atMost: 0 },
    ),
    line('p99 of a score in ms', latencies[Math.ceil(latencies.length * 0.99) - 1] ?? Number.NaN, {
      atMost: 500,
    }),
    line('longest score in ms', latencies.at(-1) ?? Number.NaN),
    line('MB by which tables and indexes grew', (await megabytes(database)) - before),
  ];
}

async function megabytes(database: string): Promise<number> {
  const [row] = await query<{ mb: number }>(
    database,
    `SELECT ((pg_total_relation_size('score_events') + pg_total_relation_size('scores')) / 1e6)::float8 AS mb`,
  );
  return row?.mb ?? Number.NaN;
}
