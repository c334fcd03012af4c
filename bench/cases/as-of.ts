import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemplate, inDatabase, query } from '../../dev/databases.js';
import { startEmbeddedPostgres } from '../../dev/embedded-postgres.js';
import type { Case, Result } from '../case.js';
import { fillYear } from '../years.js';

const EVENTS = 1_000_000;
/** What was filled is not durable. */
const POSTGRES = {
  shared_buffers: '1GB',
  maintenance_work_mem: '512MB',
  max_wal_size: '8GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
};

/** How long a board as it was takes: a million events of a year, of nearly as many users, on one board. */
export const asOf: Case = async (testbed) => {
  const results: Result[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'scoreboard-as-of-'));
  const postgres = await startEmbeddedPostgres({ directory, fsync: false, settings: POSTGRES });
  try {
    await createTemplate(postgres.url, 'year');
    const url = inDatabase(postgres.url, 'year');
    await fillYear(url, EVENTS, Date.now() - 60_000);
    await query(url, 'ANALYZE score_events');
    for (const operator of ['increment', 'best', 'latest']) {
      await query(url, `UPDATE leaderboards SET operator = '${operator}' WHERE id = 'global'`);
      const { port, stop } = await testbed.server('service', url);
      const at = new Date(Date.now() - 30_000).toISOString();
      const read = async () => {
        const started = performance.now();
        const answer = await fetch(`http://127.0.0.1:${port}/v1/leaderboards/global/entries?asOf=${at}`);
        if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
        await answer.arrayBuffer();
        return performance.now() - started;
      };
      results.push({
        what: `as-of: ms until a board as it was is shown, ${EVENTS} events, operator ${operator}`,
        against: '',
        figure: await read(),
        target: { atMost: 2_000 },
      });
      results.push({
        what: `as-of: the same again, operator ${operator}`,
        against: '',
        figure: await read(),
        target: { atMost: 50 },
      });
      await stop();
    }
  } finally {
    await testbed.clear();
    await postgres.stop();
    rmSync(directory, { recursive: true });
  }
  return results;
};
