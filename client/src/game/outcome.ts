import type { Receipt } from '../actions.js';
import type { ScoreboardError } from '../problem.js';

/** The outcome of the rounds that were played. */
export type Outcome =
  | { readonly kind: 'sending'; readonly points: number }
  | { readonly kind: 'counted'; readonly points: number; readonly receipt: Receipt }
  | {
      readonly kind: 'kept';
      readonly rounds: number;
      readonly error: ScoreboardError;
      readonly until: number;
    }
  | { readonly kind: 'refused'; readonly points: number; readonly error: ScoreboardError }
  /** Too few points to send. */
  | { readonly kind: 'empty' }
  /** The service has no such action for players. */
  | { readonly kind: 'practice' };

/** Describes an outcome in a sentence, with the rank on `board`, the leaderboard on the page. */
export function sentenceOf(outcome: Outcome, board: string): string {
  switch (outcome.kind) {
    case 'sending':
      return `${pointsIn(outcome.points)}. Sending…`;
    case 'counted':
      return `${pointsIn(outcome.points)} counted.${standingIn(outcome.receipt, board)}`;
    case 'kept':
      return `${outcome.rounds === 1 ? 'Your round is kept' : `${outcome.rounds} rounds are kept`}. ${reasonOf(outcome.error)}`;
    case 'refused':
      return `${pointsIn(outcome.points)} did not count. ${outcome.error.message}`;
    case 'empty':
      return 'Nothing caught, so nothing to send.';
    case 'practice':
      return 'This service has no action “finish-level” for players: rounds are for practice.';
  }
}

/** The remaining wait as text; empty if there is none. */
export function countdownOf(outcome: Outcome | undefined, now: number): string {
  if (outcome?.kind !== 'kept' || outcome.error.code === 'unreachable') return '';
  const seconds = Math.ceil((outcome.until - now) / 1_000);
  return seconds > 0 ? `in ${seconds} s` : '';
}

export const pointsIn = (points: number): string => (points === 1 ? '1 point' : `${points} points`);

function standingIn({ status, leaderboards }: Receipt, board: string): string {
  if (status === 'held') return ' An administrator reviews it before it is shown.';
  const result = leaderboards.find(({ id }) => id === board);
  if (result === undefined || 'skipped' in result || result.rank === null) return '';
  const { rank, previousRank } = result;
  const climbed = previousRank === null ? 0 : previousRank - rank;
  if (climbed > 0) return ` Up ${climbed} to rank ${rank}.`;
  return ` You are at rank ${rank}.`;
}

function reasonOf({ code }: ScoreboardError): string {
  switch (code) {
    case 'rate-limited':
    case 'action-limit-reached':
      return 'Enough rounds for now; sending goes on';
    case 'unreachable':
      return 'It will count as soon as the service can be reached.';
    default:
      return 'The service is busy; it will count automatically';
  }
}
