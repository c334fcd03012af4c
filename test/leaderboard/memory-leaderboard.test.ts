import t from 'tap';
import { MemoryLeaderboard } from '../../src/leaderboard/memory-leaderboard.js';
import { BoardRows } from './board-rows.js';
import { projectionContract, readerContract } from './leaderboard-contract.js';

const scores = await BoardRows.open(t);

readerContract(t, scores, async (key) => {
  const board = new MemoryLeaderboard(key, scores.pool);
  await board.rebuild();
  return board;
});

projectionContract(t, scores, (key, database) => new MemoryLeaderboard(key, database));
