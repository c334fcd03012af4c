import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { MemoryProjection } from '../../src/leaderboard/memory-projection.js';
import { PostgresBoard } from '../../src/leaderboard/postgres-boards.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { BoardRows } from './board-rows.js';

const ENTRIES = 1_000_000;
/** Among those are entries with many ties above them. */
const RANKS_CHECKED = 1_000;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

t.test('a million entries load from PostgreSQL in time and in little memory', async (t) => {
  const scores = await BoardRows.open(t);
  const board = scores.newBoard('desc');
  const filled = performance.now();
  await scores.fill(board, ENTRIES);
  t.comment(`the table was filled in ${(performance.now() - filled).toFixed()} ms`);

  const projection = new MemoryProjection(board, scores.pool, new Tombstones());
  collectGarbage();
  const before = process.memoryUsage();
  const peak = { heapUsed: 0, external: 0 };
  const sampling = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage();
    peak.heapUsed = Math.max(peak.heapUsed, heapUsed);
    peak.external = Math.max(peak.external, external);
  }, 20);
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const started = performance.now();
  const busyBefore = process.cpuUsage();
  await projection.load();
  const loadMs = performance.now() - started;
  const { user, system } = process.cpuUsage(busyBefore);
  const busyMs = (user + system) / 1_000;
  delays.disable();
  clearInterval(sampling);
  collectGarbage();
  const after = process.memoryUsage();
  t.comment(`${ENTRIES} entries loaded in ${loadMs.toFixed()} ms, ${busyMs.toFixed()} ms of them busy`);
  t.comment(`peak while loading: ${megabytes(peak.heapUsed)} of heap, ${megabytes(peak.external)} external`);
  t.comment(
    `kept: ${megabytes(after.heapUsed - before.heapUsed)} of heap, ${megabytes(after.external - before.external)} external`,
  );
  t.comment(
    `event loop held up for ${(delays.percentile(99) / 1e6).toFixed()} ms (p99), ${(delays.max / 1e6).toFixed()} ms at most`,
  );
  // What else runs on the machine makes the load longer, but hardly busier.
  t.ok(busyMs < 30_000);
  t.ok(peak.heapUsed + peak.external < 300e6);
  // Without pauses the event loop would be held up for as long as the load is busy.
  t.ok(delays.max / 1e6 < busyMs / 3);

  const { rows } = await scores.pool.query<{ userId: string; rank: number }>(
    `SELECT typeid('usr', user_id) AS "userId", rank FROM (
       SELECT user_id, row_number() OVER (ORDER BY sort_key, achieved_at, user_id) AS rank FROM scores
     ) ranked WHERE rank <= 3 OR rank % $1 = 0 ORDER BY rank`,
    [ENTRIES / RANKS_CHECKED],
  );
  t.equal(rows.length, RANKS_CHECKED + 3);
  const { total, entries } = await projection.many(rows.map(({ userId }) => userId));
  t.equal(total, ENTRIES);
  t.same(
    entries.map(({ userId, rank }) => ({ userId, rank })),
    rows,
  );
  const straight = new PostgresBoard(board, scores.pool);
  t.match((await projection.page(10)).entries, (await straight.page(10)).entries);
});
