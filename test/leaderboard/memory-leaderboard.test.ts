import type pg from 'pg';
import t from 'tap';
import type { BoardKey } from '../../src/leaderboard/leaderboard.js';
import { MemoryLeaderboard } from '../../src/leaderboard/memory-leaderboard.js';
import { BoardRows } from './board-rows.js';
import { loadingContract, projectionContract, readerContract } from './leaderboard-contract.js';

const scores = await BoardRows.open(t);

readerContract(t, scores, async (key) => {
  const board = new MemoryLeaderboard(key, scores.pool);
  await board.rebuild();
  return board;
});

const project = (key: BoardKey, database: pg.Pool) => new MemoryLeaderboard(key, database);
projectionContract(t, scores, project);
loadingContract(t, scores, project);
