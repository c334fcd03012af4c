import type { Receipt } from '../schemas/score.js';

/** What a score has done, board by board. Boards that took nothing are left out. */
export const results = ({ leaderboards }: Pick<Receipt, 'leaderboards'>) =>
  leaderboards.flatMap((board) => ('skipped' in board ? [] : board));

/** What a score has done on one board. */
export const resultOn = (board: string, receipt: Pick<Receipt, 'leaderboards'> | undefined) =>
  receipt && results(receipt).find(({ id }) => id === board);
