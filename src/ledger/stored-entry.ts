import { instant } from '../clock.js';
import type { Standing } from './standing.js';
import type { EntryRow } from './verification-statements.js';

/** What is stored as the score of the user: that of one who is banned, or was when the season became final, is withheld. */
export function claimOf({ isBanned, isFinal, ...row }: EntryRow): Standing | null {
  const { score, since, withheldScore, withheldSince } = row;
  const isWithheld = isFinal ? score === null : isBanned;
  const [kept, keptSince] = isWithheld ? [withheldScore, withheldSince] : [score, since];
  return kept === null || keptSince === null ? null : { score: BigInt(kept), since: keptSince };
}

/** Whether an entry is where it belongs: on the board, in its place, or withheld. */
export function isWellFormed(row: EntryRow | null): boolean {
  if (row === null) return true;
  if (row.isFinal ? row.score === null : row.isBanned) return row.score === null;
  return row.withheldScore === null && row.sortKey === sortKeyOf(row);
}

const sortKeyOf = ({ sort, score }: EntryRow): number | null =>
  score === null ? null : sort === 'desc' ? 0 - score : score;

const text = ({ score, since }: { score: bigint | number; since: number | null }): string =>
  `${score} since ${instant(since ?? 0)}`;

/** For a person: `250 since 2026-11-29T10:00:00.000Z`. */
export function storedText(row: EntryRow | null): string {
  if (row === null) return 'nothing';
  const { score, since, sortKey, withheldScore, withheldSince } = row;
  const onBoard = score !== null && text({ score, since });
  const inWrongPlace = onBoard && sortKey !== sortKeyOf(row) && `in the place of the sort key ${sortKey}`;
  const withheld =
    withheldScore !== null && `${text({ score: withheldScore, since: withheldSince })}, withheld`;
  return [onBoard, inWrongPlace, withheld].filter(Boolean).join(', and ');
}

export const ledgerText = (standing: Standing | null, row: EntryRow | null): string =>
  standing === null ? 'nothing' : `${text(standing)}${row?.isBanned ? ', withheld' : ''}`;
