import type pg from 'pg';
import { Problem } from '../../src/errors.js';
import { type RecordedScore, ScoreLedger, type Submission } from '../../src/ledger/score-ledger.js';
import { PageTurner } from '../../src/seasons/turning.js';
import { typeId } from '../mint.js';
import { ACTION } from './game-server.js';

/** A ledger without boards, and what it has reported. */
export function newLedger(pool: pg.Pool) {
  const errors: unknown[] = [];
  let flushed = 0;
  const pages = new PageTurner({ pool, writer: 'writer', onFault: (fault) => errors.push(fault) });
  const ledger = new ScoreLedger({
    pool,
    turnPages: (leaderboards) => void pages.turn(leaderboards).catch((error) => errors.push(error)),
    writer: typeId('svc'),
    onError: (error) => errors.push(error),
    onFlush: () => flushed++,
    leaderboards: {
      applyAndRank: async (_changeId, changes) => changes.map(() => ({ previousRank: null, rank: null })),
    },
  });
  return { ledger, errors, flushes: () => flushed };
}

export const submission = (userId: string, points: number, more: Partial<Submission> = {}): Submission => ({
  tokenId: typeId('tok'),
  userId,
  actionId: ACTION,
  points,
  metadata: null,
  tokenExpiresAt: Date.now() / 1000 + 300,
  tokenIssuedAt: null,
  expectedSeasons: null,
  issuedBy: null,
  signingKey: 'key_00000000',
  limits: null,
  ...more,
});

/** What became of a submission: the previous and the new score on a board, or why not. */
export async function outcome(ledger: ScoreLedger, one: Submission, board = 'global') {
  try {
    return scoreIn(await ledger.record(one), board);
  } catch (error) {
    return error instanceof Problem ? error.code : 'another error';
  }
}

const scoreIn = ({ leaderboards }: RecordedScore, board: string) => {
  const result = leaderboards.find(({ id }) => id === board);
  if (result !== undefined && 'skipped' in result) return result.skipped;
  return [result?.previousScore, result?.score];
};

/** What became of submissions that came together. */
export const outcomes = (ledger: ScoreLedger, batch: readonly Submission[]) =>
  Promise.all(batch.map((one) => outcome(ledger, one)));
