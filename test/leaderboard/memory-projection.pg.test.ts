import type pg from 'pg';
import t from 'tap';
import { MemoryProjection } from '../../src/leaderboard/memory-projection.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { BoardRows } from './board-rows.js';
import { loadingContract, projectionContract, readerContract } from './projection-contract.js';

const scores = await BoardRows.open(t);
const project = (board: Board, database: pg.Pool) => new MemoryProjection(board, database, new Tombstones());

readerContract(t, scores, async (board) => {
  const projection = project(board, scores.pool);
  await projection.load();
  return projection;
});
projectionContract(t, scores, project);
loadingContract(t, scores, project);

t.test('an erased user does not come back on a board that is opened after the erasure', async (t) => {
  const erased = new Tombstones();
  const board = scores.newBoard('desc');
  const projection = new MemoryProjection(board, scores.pool, erased);
  await projection.load();
  erased.add(BoardRows.userOf(1), Number.POSITIVE_INFINITY);
  const late = { userId: BoardRows.userOf(1), score: 5, achievedAt: 0, version: 3 };
  t.same(await projection.apply('evt_1', [late]), [{ previousRank: null, rank: null }]);
  t.equal((await projection.page(1)).total, 0);
});

t.test('a small board takes little memory, and a large one about 80 bytes an entry', async (t) => {
  const board = scores.newBoard('desc');
  const entry = (n: number) => ({ userId: BoardRows.userOf(n), score: n, achievedAt: 0, version: 1 });
  const projection = project(board, scores.pool);
  await projection.load();
  await projection.apply(
    'evt_1',
    Array.from({ length: 10 }, (_, n) => entry(n)),
  );
  t.ok(projection.bytes < 20_000, `${projection.bytes} bytes for ten entries`);
  await projection.apply(
    'evt_2',
    Array.from({ length: 50_000 }, (_, n) => entry(n)),
  );
  t.ok(projection.bytes < 50_000 * 120, `${projection.bytes} bytes for 50,000 entries`);
});
