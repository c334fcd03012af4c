import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Leaderboard } from '../../schemas/leaderboard.js';
import type { Receipt } from '../../schemas/score.js';
import type { Unit } from '../../schemas/unit.js';
import { languagesOf, type ScoreWriting, scoreWriting } from './languages.js';
import { vary } from './vary.js';

/** A request that may name the language of its answer. */
export interface Asked extends Pick<FastifyRequest, 'headers'> {
  readonly query: { readonly locale?: string };
}

/** How scores are to be written: null where the board does not say what they are, and nobody asked. */
export function writingFor(
  unit: Unit | null,
  { query: { locale }, headers }: Asked,
  reply: FastifyReply,
): ScoreWriting | null {
  if (unit === null && locale === undefined) return null;
  if (locale === undefined) vary(reply, 'Accept-Language');
  return scoreWriting(unit, languagesOf(locale, headers['accept-language']));
}

/** `formatted`, if the score is to be written. */
export const formattedBy = (writing: ScoreWriting | null, score: number): { formatted?: string } =>
  writing === null ? {} : { formatted: writing.write(score) };

interface Definitions {
  knownLeaderboard(id: string): Pick<Leaderboard, 'unit'> | undefined;
  /** @throws Problem `not-found` */
  leaderboard(id: string): Promise<Pick<Leaderboard, 'unit'>>;
}

/** A receipt with its scores as people write them, where a leaderboard says what they are. It is the same object if none does. */
export function writtenReceipt(
  receipt: Receipt,
  catalog: Definitions,
  acceptLanguage: string | undefined,
): Receipt | Promise<Receipt> {
  const isPlain = receipt.leaderboards.every(({ id }) => {
    const known = catalog.knownLeaderboard(id);
    return known !== undefined && known.unit === undefined;
  });
  return isPlain ? receipt : written(receipt, catalog, acceptLanguage);
}

async function written(
  receipt: Receipt,
  catalog: Definitions,
  acceptLanguage: string | undefined,
): Promise<Receipt> {
  const languages = languagesOf(undefined, acceptLanguage);
  const leaderboards = await Promise.all(
    receipt.leaderboards.map(async (board) => {
      if (!('score' in board)) return board;
      // The score is on disk, also if the leaderboard is being deleted or PostgreSQL does not answer any more.
      const unit = await catalog.leaderboard(board.id).then(
        (found) => found.unit,
        () => undefined,
      );
      return unit ? { ...board, formatted: scoreWriting(unit, languages).write(board.score) } : board;
    }),
  );
  return { ...receipt, leaderboards };
}
