import t from 'tap';
import { PostgresLeaderboard } from '../../src/leaderboard/postgres-leaderboard.js';
import { BoardRows } from './board-rows.js';
import { readerContract } from './leaderboard-contract.js';

const scores = await BoardRows.open(t);

readerContract(t, scores, async (key) => new PostgresLeaderboard(key, scores.pool));
