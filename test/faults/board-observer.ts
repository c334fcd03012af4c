import { setTimeout as delay } from 'node:timers/promises';
import { leaderboardOf, ScoreboardError } from '@scoreboard/client';
import type pg from 'pg';
import type { Entry } from '../../schemas/leaderboard.js';
import type { Answer } from '../ledger/game-server.js';
import { truth } from '../ledger/truth.js';
import { resultOn } from '../receipts.js';
import type { BoardEvent } from './board-stream.js';

/** An instance may show what another has committed a second later, and some more on a loaded machine. */
const LAG_MS = 2_000;
const READ_EVERY_MS = 40;
const SNAPSHOT_EVERY_MS = 80;

/** A board as a client received it; times are milliseconds since the epoch. */
interface View {
  readonly what: string;
  readonly from: number;
  readonly to: number;
  readonly board: BoardEvent;
}

/** The scores in PostgreSQL at one time. */
interface Snapshot {
  readonly from: number;
  readonly to: number;
  readonly scores: ReadonlyMap<string, number>;
}

/**
 * Reads `global` from every instance continuously, and records the scores in PostgreSQL. In the end every view is compared
 * with what it may have been: all players, in order, each score between those of PostgreSQL before and after.
 */
export class BoardObserver {
  readonly #failedReads: string[] = [];
  readonly #pool: pg.Pool;
  readonly #views: View[] = [];
  readonly #snapshots: Snapshot[] = [];
  readonly #tasks: Promise<void>[] = [];
  #slowest = 0;
  #running = true;

  /** @param databaseFails whether PostgreSQL fails too, so that 503 is a valid answer to a read */
  static async start(pool: pg.Pool, urls: readonly string[], databaseFails = false): Promise<BoardObserver> {
    const observer = new BoardObserver(pool);
    await observer.#snapshot();
    observer.#tasks.push(
      observer.#recordSnapshots(),
      ...urls.map((url) => observer.#read(url, databaseFails)),
    );
    return observer;
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

  /** Adds what a stream showed. */
  addView(what: string, board: BoardEvent): void {
    const now = Date.now();
    this.#views.push({ what, from: now, to: now, board });
  }

  /** Stops reading. @returns what was wrong with the views, and with the ranks in the receipts */
  async violations(answers: readonly Answer[]): Promise<string[]> {
    this.#running = false;
    await Promise.all(this.#tasks);
    await this.#snapshot();
    const views = this.#views.flatMap((view) => this.#violationOf(view) ?? []);
    const ranks = answers.flatMap((answer) => this.#violationOfRank(answer) ?? []);
    return [...this.#failedReads, ...views, ...ranks];
  }

  async #read(url: string, databaseFails: boolean): Promise<void> {
    const leaderboard = leaderboardOf(url, 'global');
    for (; this.#running; await delay(READ_EVERY_MS)) {
      const from = Date.now();
      const start = performance.now();
      try {
        const board = await leaderboard.top({ limit: 100 });
        this.#views.push({ what: url, from, to: Date.now(), board });
      } catch (error) {
        if (databaseFails && error instanceof ScoreboardError && error.status === 503) continue;
        this.#failedReads.push(String(error));
      }
      this.#slowest = Math.max(this.#slowest, performance.now() - start);
    }
  }

  async #recordSnapshots(): Promise<void> {
    // While PostgreSQL is down, nothing changes in it.
    for (; this.#running; await delay(SNAPSHOT_EVERY_MS)) await this.#snapshot().catch(() => {});
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

  /** The lowest and highest scores that a view of this time may show: the last snapshot before the lag, the first one after. */
  #bounds(from: number, to: number): [least: Snapshot['scores'], most: Snapshot['scores']] {
    const before = this.#snapshots.findLast((snapshot) => snapshot.to <= from - LAG_MS) ?? this.#snapshots[0];
    const after = this.#snapshots.find((snapshot) => snapshot.from >= to) ?? this.#snapshots.at(-1);
    return [before?.scores ?? new Map(), after?.scores ?? new Map()];
  }

  #violationOf({ what, from, to, board }: View): string | undefined {
    const { items, total } = board;
    const [least, most] = this.#bounds(from, to);
    const violation = (text: string) => `${what} ${new Date(to).toISOString()}: ${text}`;
    if (total !== least.size) return violation(`${total} of ${least.size} entries`);
    if (items.length !== Math.min(total, 100)) return violation(`${items.length} items of ${total}`);
    for (const [i, { rank, userId, score }] of items.entries()) {
      if (rank !== i + 1) return violation(`rank ${rank} at place ${i + 1}`);
      if (score < (least.get(userId) ?? Number.POSITIVE_INFINITY))
        return violation(`${userId} has ${score}, but had ${least.get(userId)} before`);
      if (score > (most.get(userId) ?? 0))
        return violation(`${userId} has ${score}, but never had more than ${most.get(userId)}`);
      const above = items[i - 1];
      if (
        above !== undefined &&
        !isAbove(above, { rank, userId, score, achievedAt: items[i]?.achievedAt ?? '' })
      )
        return violation(`${above.userId} above ${userId}`);
    }
    return undefined;
  }

  /** A receipt's rank must be below everyone who was certainly ahead, and not below more than can have been ahead. */
  #violationOfRank({ receipt, ms }: Answer): string | undefined {
    const result = resultOn('global', receipt);
    if (receipt === undefined || result === undefined || result.rank === null) return undefined;
    const at = Date.parse(receipt.acceptedAt);
    const [least, most] = this.#bounds(at, at + ms);
    const { userId } = receipt;
    const own = most.get(userId) ?? result.score;
    const others = [...least.keys()].filter((id) => id !== userId);
    const best = 1 + others.filter((id) => (least.get(id) ?? 0) > own).length;
    const worst = 1 + others.filter((id) => (most.get(id) ?? 0) >= result.score).length;
    if (result.rank >= best && result.rank <= worst) return undefined;
    return `${receipt.acceptedAt}: a receipt says rank ${result.rank}, but it was between ${best} and ${worst}`;
  }
}

type Position = Pick<Entry, 'rank' | 'userId' | 'score' | 'achievedAt'>;

/** The order that the contract defines. */
function isAbove(a: Position, b: Position): boolean {
  if (a.score !== b.score) return a.score > b.score;
  if (a.achievedAt !== b.achievedAt) return a.achievedAt < b.achievedAt;
  return a.userId < b.userId;
}
