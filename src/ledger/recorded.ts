import { boardKey } from '../board-key.js';
import { instantOrNull } from '../clock.js';
import type { RankChange, ScoredChange } from '../leaderboard/entry.js';
import type { BoardResult, EntryRow, RecordedScore, Skipped, SkippedBoard } from './submission.js';

/** A submission that is committed, and the entries that it has led to. */
export interface Recorded {
  readonly acceptedAt: number;
  held: boolean;
  skipped: Skipped;
  readonly entries: EntryRow[];
}

/** The changes of the boards, in the order of the entries. Those of a hidden user change none. */
export const scoredChanges = (userId: string, { entries }: Recorded): ScoredChange[] =>
  entries
    .filter(({ hidden }) => !hidden)
    .map((entry) => {
      const { leaderboard, season, score, achievedAt, version, previousScore, previousAchievedAt } = entry;
      const wasThere = previousScore !== null && previousAchievedAt !== null;
      const previous = wasThere ? { score: previousScore, achievedAt: previousAchievedAt } : null;
      return { board: boardKey(leaderboard, season), userId, score, achievedAt, version, previous };
    });

/** @param ranks takes one of them for each entry that is not hidden */
export function recordedScore(
  eventId: string,
  { acceptedAt, held, skipped, entries }: Recorded,
  ranks: Iterator<RankChange>,
): RecordedScore {
  const counted = entries.map((entry): BoardResult => {
    const { leaderboard: id, season, endsAt, late, hidden, score, previousScore } = entry;
    const { rank = null, previousRank = null } = (hidden ? undefined : ranks.next().value) ?? {};
    const seasonEndsAt = instantOrNull(endsAt);
    const result = { id, season, seasonEndsAt, score, previousScore, rank, previousRank };
    return late ? { ...result, late } : result;
  });
  const isPartial = skipped !== null && !held;
  return {
    eventId,
    acceptedAt,
    status: held ? 'held' : 'counted',
    leaderboards: isPartial ? [...counted, ...skippedBoards(skipped)].sort(byId) : counted,
  };
}

const skippedBoards = (skipped: NonNullable<Skipped>): SkippedBoard[] =>
  Object.entries(skipped).map(([id, reason]) => ({ id, skipped: reason }));

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);
