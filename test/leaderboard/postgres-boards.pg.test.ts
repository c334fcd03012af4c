import t from 'tap';
import type { ScoredChange } from '../../src/leaderboard/entry.js';
import { MemoryProjection } from '../../src/leaderboard/memory-projection.js';
import { countEntries, countRanks, PostgresBoard } from '../../src/leaderboard/postgres-boards.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { BoardRows } from './board-rows.js';
import { readerContract } from './projection-contract.js';

const scores = await BoardRows.open(t);

/** Every other board is of a season that is final, and is read by its marks. */
let opened = 0;
readerContract(t, scores, async (board) => {
  if (opened++ % 2 === 0) await scores.makeFinal(board, 3);
  return new PostgresBoard(board, scores.pool);
});

const entry = (n: number, score = n % 7, version = 1) => ({
  userId: BoardRows.userOf(n),
  score,
  achievedAt: 1_781_136_000_000 + (n % 3) + version,
  version,
});

for (const sort of ['desc', 'asc'] as const) {
  t.test(`ranks that PostgreSQL counts are those of a projection, on a board sorted ${sort}`, async (t) => {
    const board = scores.newBoard(sort);
    const before = Array.from({ length: 40 }, (_, n) => entry(n));
    await scores.write(board, before);
    const projection = new MemoryProjection(board, scores.pool, new Tombstones());
    await projection.load();
    for (const [n, score] of [
      [3, 6],
      [9, -1],
      [17, 3],
      [50, 4],
    ] as const) {
      const known = before[n];
      const change: ScoredChange = {
        ...entry(n, score, 2),
        board: board.key,
        previous: known ? { score: known.score, achievedAt: known.achievedAt } : null,
      };
      await scores.write(board, [change]);
      const [counted] = await countRanks(scores.pool, [{ ...change, sort }]);
      t.same([counted], await projection.apply('evt_1', [change]), `user ${n}`);
    }
  });
}

t.test('entries of several boards are counted with one query, removed ones left out', async (t) => {
  const boards = [scores.newBoard('desc'), scores.newBoard('asc'), scores.newBoard('desc')] as const;
  await scores.write(boards[0], [entry(1), entry(2), { ...entry(3), score: null }]);
  await scores.write(boards[2], [entry(1)]);
  t.same(
    await countEntries(
      scores.pool,
      boards.map(({ key }) => key),
    ),
    [2, 0, 1],
  );
  t.same(await countEntries(scores.pool, []), []);
});
