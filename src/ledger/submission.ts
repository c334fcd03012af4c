import type { QueryConfig } from 'pg';
import { plainArray } from '../postgres/sql.js';
import { toUuid } from '../stored-ids.js';
import type { Limits } from './limits.js';
import { RECORD_BATCH, RECORD_SEASONS, RECORD_USERS } from './record-batch.js';

/** What a verified action token and the request that brought it say. */
export interface Submission {
  readonly tokenId: string;
  readonly userId: string;
  readonly actionId: string;
  readonly points: number;
  readonly metadata: object | null;
  /** Seconds since the epoch; infinite for what is never forgotten. */
  readonly tokenExpiresAt: number;
  /** When the token was issued, in seconds since the epoch; null if there is none. */
  readonly tokenIssuedAt: number | null;
  /** The season in which it counts on each of these leaderboards, or not at all. */
  readonly expectedSeasons: Readonly<Record<string, number>> | null;
  /** The account that requested the token, or `player`; null if it was minted elsewhere. */
  readonly issuedBy: string | null;
  /** The key that has signed the token; null if a game server counts it without one. */
  readonly signingKey: string | null;
  /** What the action is bounded by, or null. */
  readonly limits: Limits | null;
  readonly trace?: Progress | null;
}

/** Is told when each stage of a submission begins, on the clock of `performance.now()`. */
interface Progress {
  enter(stage: 'commit', at: number, batch: { readonly id: string; readonly size: number }): void;
  enter(stage: 'project' | 'publish', at: number): void;
  fail(): void;
}

export interface Pending extends Submission {
  readonly eventId: string;
  /** Found when it was sent: its season is another than that of the row of a board. */
  isOfOtherSeason: boolean;
  /** On the clock of `performance.now()`. */
  readonly arrivedAt: number;
  resolve(recorded: RecordedScore): void;
  reject(reason: unknown): void;
}

/** What a score has done on a board. */
export interface BoardResult {
  readonly id: string;
  readonly season: number;
  /** Null if the end is open. */
  readonly seasonEndsAt: string | null;
  /** By its time it belongs to an earlier season, which takes nothing more. */
  readonly late?: true;
  readonly score: number;
  readonly previousScore: number | null;
  readonly rank: number | null;
  readonly previousRank: number | null;
}

/** A board that has taken nothing, and why. */
export interface SkippedBoard {
  readonly id: string;
  readonly skipped: 'frozen' | 'closed';
}

/** Proof that a submission is on disk. */
export interface RecordedScore {
  readonly eventId: string;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly status: 'counted' | 'held';
  /** By id. Empty while it is held. */
  readonly leaderboards: (BoardResult | SkippedBoard)[];
}

/** An entry that a submission has led to, as PostgreSQL reports it. */
export interface EntryRow {
  readonly leaderboard: string;
  readonly season: number;
  readonly score: number;
  readonly previousScore: number | null;
  readonly achievedAt: number;
  /** Null if there was no entry before, or if the time is not known any more. */
  readonly previousAchievedAt: number | null;
  readonly version: number;
  /** Whether the user is off all boards: then the entry has no rank, and is not projected. */
  readonly hidden: boolean;
  /** Of the season; null if it is open. */
  readonly endsAt: number | null;
  readonly late: boolean;
}

/** Why boards have taken nothing, by leaderboard; null if all have. */
export type Skipped = Readonly<Record<string, SkippedBoard['skipped']>> | null;

/** Why a submission was not written, or null. */
type Refusal =
  | {
      readonly refused:
        | 'locked'
        | 'other-season'
        | 'no-user'
        | 'banned'
        | 'no-action'
        | 'frozen'
        | 'closed'
        | 'season-changed'
        | null;
      readonly skipped: Skipped;
    }
  | { readonly refused: 'unturned'; readonly skipped: Readonly<Record<string, string>> };

/** One row a submission and board; the columns of the board are null if the submission has changed none. */
export type BatchRow = Refusal & {
  readonly index: number;
  /** Null if it was refused, or its token was consumed before. */
  readonly acceptedAt: number | null;
  readonly held: boolean;
} & (EntryRow | { readonly leaderboard: null });

/** A submission on its way into the ledger. */
export interface Entrant {
  readonly pending: Pending;
  /** In milliseconds, when the transaction began. */
  readonly age: number;
  readonly held: boolean;
}

/** As the column `issued_by` names it: a player issues only its own tokens. */
const storedIssuer = ({ issuedBy, userId }: Submission): string | null =>
  issuedBy === null ? null : issuedBy === 'player' ? toUuid('usr', userId) : toUuid('svc', issuedBy);

function statementFor(batch: readonly Entrant[]): { readonly name: string; readonly text: string } {
  if (batch.some(({ pending }) => pending.isOfOtherSeason))
    return { name: 'record-batch-of-seasons', text: RECORD_SEASONS };
  const users = new Set(batch.map(({ pending }) => pending.userId));
  return users.size < batch.length
    ? { name: 'record-batch', text: RECORD_BATCH }
    : { name: 'record-batch-of-users', text: RECORD_USERS };
}

/** The statement that records a batch, and announces the change `changeId` in the name of the instance `writer`. */
export function recordBatch(batch: readonly Entrant[], writer: string, changeId: string): QueryConfig {
  return {
    ...statementFor(batch),
    values: [
      plainArray(batch, ({ pending }) => toUuid('evt', pending.eventId)),
      plainArray(batch, ({ pending }) => toUuid('tok', pending.tokenId)),
      plainArray(batch, ({ pending }) => toUuid('usr', pending.userId)),
      batch.map(({ pending }) => pending.actionId),
      plainArray(batch, ({ pending }) => pending.points),
      batch.map(({ pending: { metadata } }) => metadata && JSON.stringify(metadata)),
      plainArray(batch, ({ age }) => age),
      plainArray(batch, ({ pending }) => pending.tokenExpiresAt),
      writer,
      plainArray(batch, ({ held }) => held),
      plainArray(batch, ({ pending }) => storedIssuer(pending)),
      batch.map(({ pending }) => pending.signingKey),
      changeId,
      plainArray(batch, ({ pending }) => pending.tokenIssuedAt),
      batch.map(({ pending: { expectedSeasons } }) => expectedSeasons && JSON.stringify(expectedSeasons)),
    ],
  };
}
