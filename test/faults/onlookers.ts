import { setTimeout as delay } from 'node:timers/promises';
import { leaderboardOf, ScoreboardError } from '@scoreboard/client';
import type pg from 'pg';
import type { Entry } from '../../schemas/leaderboard.js';
import { type Answer, results } from '../ledger/game-server.js';
import { truth } from '../ledger/truth.js';
import type { BoardEvent } from './board-stream.js';

/** What one instance has committed, another may show a second later; a loaded machine takes some more. */
const LAG_MS = 2_000;
const READ_EVERY_MS = 40;
const SNAPSHOT_EVERY_MS = 80;

/** A whole board as somebody was shown it; times are milliseconds since the epoch. */
interface View {
  readonly what: string;
  readonly from: number;
  readonly to: number;
  readonly board: BoardEvent;
}

/** The scores that PostgreSQL had. */
interface Snapshot {
  readonly from: number;
  readonly to: number;
  readonly scores: ReadonlyMap<string, number>;
}

/**
 * They read `global` on every instance all the time, and note what PostgreSQL has. In the end all that was shown to anybody
 * is held against what it can have been: every player, in order, each score between what PostgreSQL had before and after.
 */
export class Onlookers {
  readonly faults: string[] = [];
  readonly #pool: pg.Pool;
  readonly #views: View[] = [];
  readonly #snapshots: Snapshot[] = [];
  readonly #tasks: Promise<void>[] = [];
  #slowest = 0;
  #looking = true;

  /** @param mayBeAway whether PostgreSQL goes away too, so that a read may be answered with 503 */
  static async start(pool: pg.Pool, urls: readonly string[], mayBeAway = false): Promise<Onlookers> {
    const onlookers = new Onlookers(pool);
    await onlookers.#snapshot();
    onlookers.#tasks.push(onlookers.#noteTruth(), ...urls.map((url) => onlookers.#read(url, mayBeAway)));
    return onlookers;
  }

  private constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  get slowestMs(): number {
    return Math.round(this.#slowest);
  }

  get views(): number {
    return this.#views.length;
  }

  /** For what a stream shows. */
  noteEvent(what: string, board: BoardEvent): void {
    const now = Date.now();
    this.#views.push({ what, from: now, to: now, board });
  }

  /** Ends the looking. @returns all that was wrong, with every view and the rank of every receipt */
  async judge(answers: readonly Answer[]): Promise<string[]> {
    this.#looking = false;
    await Promise.all(this.#tasks);
    await this.#snapshot();
    const views = this.#views.flatMap((view) => this.#faultsOf(view) ?? []);
    const ranks = answers.flatMap((answer) => this.#faultOfRank(answer) ?? []);
    return [...this.faults, ...views, ...ranks];
  }

  async #read(url: string, mayBeAway: boolean): Promise<void> {
    const leaderboard = leaderboardOf(url, 'global');
    for (; this.#looking; await delay(READ_EVERY_MS)) {
      const from = Date.now();
      const start = performance.now();
      try {
        const board = await leaderboard.top({ limit: 100 });
        this.#views.push({ what: url, from, to: Date.now(), board });
      } catch (error) {
        if (mayBeAway && error instanceof ScoreboardError && error.status === 503) continue;
        this.faults.push(String(error));
      }
      this.#slowest = Math.max(this.#slowest, performance.now() - start);
    }
  }

  async #noteTruth(): Promise<void> {
    // While PostgreSQL is away nothing changes in it.
    for (; this.#looking; await delay(SNAPSHOT_EVERY_MS)) await this.#snapshot().catch(() => {});
  }

  async #snapshot(): Promise<void> {
    const from = Date.now();
    const rows = await truth(this.#pool, 'global');
    this.#snapshots.push({
      from,
      to: Date.now(),
      scores: new Map(rows.map(({ userId, score }) => [userId, score])),
    });
  }

  /** What PostgreSQL had at the latest before the lag, and what it had at the earliest after. */
  #bounds(from: number, to: number): [least: Snapshot['scores'], most: Snapshot['scores']] {
    const before = this.#snapshots.findLast((snapshot) => snapshot.to <= from - LAG_MS) ?? this.#snapshots[0];
    const after = this.#snapshots.find((snapshot) => snapshot.from >= to) ?? this.#snapshots.at(-1);
    return [before?.scores ?? new Map(), after?.scores ?? new Map()];
  }

  #faultsOf({ what, from, to, board }: View): string | undefined {
    const { items, total } = board;
    const [least, most] = this.#bounds(from, to);
    const fault = (text: string) => `${what} ${new Date(to).toISOString()}: ${text}`;
    if (total !== least.size) return fault(`${total} of ${least.size} entries`);
    if (items.length !== Math.min(total, 100)) return fault(`${items.length} items of ${total}`);
    for (const [i, { rank, userId, score }] of items.entries()) {
      if (rank !== i + 1) return fault(`rank ${rank} at place ${i + 1}`);
      if (score < (least.get(userId) ?? Number.POSITIVE_INFINITY))
        return fault(`${userId} has ${score}, and had ${least.get(userId)} before`);
      if (score > (most.get(userId) ?? 0))
        return fault(`${userId} has ${score}, and never had more than ${most.get(userId)}`);
      const above = items[i - 1];
      if (
        above !== undefined &&
        !isAbove(above, { rank, userId, score, achievedAt: items[i]?.achievedAt ?? '' })
      )
        return fault(`${above.userId} above ${userId}`);
    }
    return undefined;
  }

  /** A rank in a receipt: not before all who certainly stood higher, not behind more than can have. */
  #faultOfRank({ receipt, ms }: Answer): string | undefined {
    if (receipt === undefined) return undefined;
    const result = results(receipt).find(({ id }) => id === 'global');
    if (result === undefined || result.rank === null) return undefined;
    const at = Date.parse(receipt.acceptedAt);
    const [least, most] = this.#bounds(at, at + ms);
    const { userId } = receipt;
    const own = most.get(userId) ?? result.score;
    const others = [...least.keys()].filter((id) => id !== userId);
    const best = 1 + others.filter((id) => (least.get(id) ?? 0) > own).length;
    const worst = 1 + others.filter((id) => (most.get(id) ?? 0) >= result.score).length;
    if (result.rank >= best && result.rank <= worst) return undefined;
    return `${receipt.acceptedAt}: a receipt says rank ${result.rank}, and it was between ${best} and ${worst}`;
  }
}

type Place = Pick<Entry, 'rank' | 'userId' | 'score' | 'achievedAt'>;

/** The order of the contract. */
function isAbove(a: Place, b: Place): boolean {
  if (a.score !== b.score) return a.score > b.score;
  if (a.achievedAt !== b.achievedAt) return a.achievedAt < b.achievedAt;
  return a.userId < b.userId;
}
