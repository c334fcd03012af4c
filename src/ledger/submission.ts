import type { QueryConfig } from 'pg';
import type { Limits } from './limits.js';
import { RECORD_BATCH } from './statements.js';

/** What a verified action token and the request that brought it say. */
export interface Submission {
  readonly tokenId: string;
  readonly userId: string;
  readonly actionId: string;
  readonly points: number;
  readonly metadata: object | null;
  /** Seconds since the epoch. */
  readonly tokenExpiresAt: number;
  /** Who had the service issue the token; null if it was minted elsewhere. */
  readonly issuedBy: string | null;
  /** The key that has signed the token. */
  readonly signingKey: string;
  /** What the action is bounded by, or null. */
  readonly limits: Limits | null;
  readonly trace?: Progress | null;
}

/** Hears how far a submission has come: when each stage began, on the clock of `performance.now()`. */
interface Progress {
  enter(stage: 'commit', at: number, batch: { readonly id: string; readonly size: number }): void;
  enter(stage: 'project' | 'publish', at: number): void;
  fail(): void;
}

export interface Pending extends Submission {
  readonly eventId: string;
  /** On the clock of `performance.now()`. */
  readonly arrivedAt: number;
  resolve(recorded: RecordedScore): void;
  reject(reason: unknown): void;
}

export interface BoardResult {
  readonly id: string;
  readonly season: number;
  readonly score: number;
  readonly previousScore: number | null;
  readonly rank: number | null;
  readonly previousRank: number | null;
}

/** Proof that a submission is on disk. */
export interface RecordedScore {
  readonly eventId: string;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly status: 'counted' | 'held';
  /** Empty while it is held. */
  readonly leaderboards: BoardResult[];
}

/** One row a submission and board; the columns of the board are null if the submission has changed none. */
export interface BatchRow {
  readonly index: number;
  readonly userExists: boolean;
  readonly banned: boolean | null;
  readonly acceptedAt: number | null;
  readonly held: boolean;
  readonly leaderboardId: string | null;
  readonly season: number;
  readonly score: number;
  readonly previousScore: number | null;
  readonly achievedAt: number;
  readonly version: number;
}

/** A submission on its way into the ledger. */
export interface Entrant {
  readonly pending: Pending;
  /** In milliseconds, when the transaction began. */
  readonly age: number;
  readonly held: boolean;
}

/** The statement that records a batch. `instance` announces it. */
export function recordBatch(batch: readonly Entrant[], instance: string): QueryConfig {
  return {
    name: 'record-batch',
    text: RECORD_BATCH,
    values: [
      batch.map(({ pending }) => pending.eventId),
      batch.map(({ pending }) => pending.tokenId),
      batch.map(({ pending }) => pending.userId),
      batch.map(({ pending }) => pending.actionId),
      batch.map(({ pending }) => pending.points),
      batch.map(({ pending: { metadata } }) => metadata && JSON.stringify(metadata)),
      batch.map(({ age }) => age),
      batch.map(({ pending }) => pending.tokenExpiresAt),
      instance,
      batch.map(({ held }) => held),
      batch.map(({ pending }) => pending.issuedBy),
      batch.map(({ pending }) => pending.signingKey),
    ],
  };
}
