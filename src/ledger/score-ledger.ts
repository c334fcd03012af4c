import type pg from 'pg';
import type { Problem } from '../errors.js';
import { newId } from '../ids.js';
import type { RankChange } from '../leaderboard/leaderboard.js';
import type { EntryChange, Leaderboards } from '../leaderboard/leaderboards.js';
import { recordGuarded } from './guarded-batch.js';
import { Lane } from './lane.js';
import { banned, type ConsumedToken, noSuchUser, replayed } from './refusals.js';
import { CONSUMED_TOKENS, PURGE_TOKENS, RECORDED_EVENTS } from './statements.js';
import {
  type BatchRow,
  type BoardResult,
  type Pending,
  type RecordedScore,
  recordBatch,
  type Submission,
} from './submission.js';

export { MAX_WAITING } from './lane.js';
export type { RecordedScore, Submission } from './submission.js';

type Standing = Omit<EntryChange, 'userId' | 'score'> & {
  readonly score: number;
  readonly previousScore: number | null;
};
interface Recorded {
  readonly acceptedAt: number;
  held: boolean;
  readonly standings: Standing[];
}
type EventRow = { readonly eventId: string; readonly held: boolean } & (
  | Standing
  | { readonly leaderboardId: null }
);

interface LedgerOptions {
  readonly pool: pg.Pool;
  readonly leaderboards: Pick<Leaderboards, 'apply'>;
  /** Names this process in what it announces to the others. */
  readonly instance: string;
  readonly onError: (error: unknown) => void;
  /** So many submissions were answered together, after so many seconds. */
  readonly onFlush?: ((size: number, seconds: number) => void) | undefined;
  /** The boards show what was committed so many seconds ago. */
  readonly onProjected?: (seconds: number) => void;
}

/** How long one try may take: after a connection that died without a word there is time left for another. */
const TRY_MS = 2_500;
/** How long after its expiry a token can still be told from one that was never used, in seconds. */
const REMEMBER_TOKENS_FOR = 86_400;

/**
 * The writer of the ledger. Submissions wait in lanes and are written in batches: those without limits each by one
 * statement, those with limits in a transaction that looks at what their users have done before.
 *
 * If the database does not answer, nobody knows whether a batch was committed. It is sent again: each submission has its
 * event id from before the write, so a token that turns out to be consumed by that very event is a success, any other a
 * replay.
 * What this process gave up may still be committed later: its boards then hear of it as they hear of other instances.
 */
export class ScoreLedger {
  readonly #options: LedgerOptions;
  readonly #plain: Lane<Pending>;
  readonly #guarded: Lane<Pending>;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const lane = {
      onError: options.onError,
      onFlush: options.onFlush,
      onStart: (batch: readonly Pending[], at: number) => {
        const id = batch[0]?.eventId ?? '';
        for (const { trace } of batch) trace?.enter('commit', at, { id, size: batch.length });
      },
    };
    this.#plain = new Lane({ ...lane, send: (batch) => this.#send(batch) });
    this.#guarded = new Lane({ ...lane, send: (batch) => this.#sendGuarded(batch) });
  }

  /**
   * Writes a submission. Resolves once it is committed.
   * @throws Problem `action-token-replayed`, `user-banned`, `not-found` (no such user), `action-limit-reached`,
   * `points-out-of-range` (a score would leave ±(2^53 − 1)), or `service-unavailable`: then it may or may not have counted,
   * and trying again is safe
   */
  record(submission: Submission): Promise<RecordedScore> {
    const lane = submission.limits === null ? this.#plain : this.#guarded;
    return new Promise((resolve, reject) => {
      // What is new comes first: a literal that goes on after a spread takes V8 longer than all else here.
      lane.add({ eventId: newId('evt'), arrivedAt: performance.now(), resolve, reject, ...submission });
    });
  }

  /** Submissions that wait for a batch, in the longer of the two queues. */
  get waiting(): number {
    return Math.max(this.#plain.waiting, this.#guarded.waiting);
  }

  /** The answer to a token that was counted before, or null if it was not. */
  async replay(tokenId: string, userId: string): Promise<Problem | null> {
    const token = (await this.#consumed([tokenId])).get(tokenId);
    return token === undefined ? null : replayed(userId, token);
  }

  async #consumed(tokenIds: readonly string[]): Promise<Map<string, ConsumedToken>> {
    const rows = await this.#ask<ConsumedToken>({
      name: 'consumed-tokens',
      text: CONSUMED_TOKENS,
      values: [tokenIds],
    });
    return new Map(rows.map((token) => [token.tokenId, token]));
  }

  /** Forgets tokens that have expired long ago: at most `limit` of them. @returns how many */
  async purge(limit: number): Promise<number> {
    return (await this.#options.pool.query(PURGE_TOKENS, [REMEMBER_TOKENS_FOR, limit])).rowCount ?? 0;
  }

  /** Refuses what comes from now on, and resolves when everything that waits is answered. */
  async drain(): Promise<void> {
    await Promise.all([this.#plain.drain(), this.#guarded.drain()]);
  }

  async #send(batch: Pending[]): Promise<void> {
    const now = performance.now();
    const entrants = batch.map((pending) => ({ pending, age: now - pending.arrivedAt, held: false }));
    const rows = await this.#ask<BatchRow>(recordBatch(entrants, this.#options.instance));
    await this.#answer(batch, rows, new Map());
  }

  async #sendGuarded(batch: Pending[]): Promise<void> {
    const { pool, instance } = this.#options;
    const { entrants, rows, refused } = await recordGuarded(pool, batch, instance, TRY_MS);
    await this.#answer(entrants, rows, refused);
  }

  /** Answers every submission, or throws and has answered none. The rows are of the entrants. */
  async #answer(
    entrants: readonly Pending[],
    rows: readonly BatchRow[],
    refused: Map<Pending, Problem>,
  ): Promise<void> {
    const recorded = new Map<Pending, Recorded>();
    for (const {
      index,
      userExists,
      banned: isBanned,
      acceptedAt,
      held,
      leaderboardId,
      ...standing
    } of rows) {
      const pending = entrants[index];
      if (pending === undefined) throw new Error(`The batch has no submission ${index}`);
      if (acceptedAt !== null) {
        const entry = getOrMake(recorded, pending, () => ({ acceptedAt, held, standings: [] }));
        if (leaderboardId !== null) entry.standings.push({ leaderboardId, ...standing });
      } else if (!userExists) {
        refused.set(pending, noSuchUser(pending.userId));
      } else {
        refused.set(pending, isBanned ? banned() : replayed(pending.userId, undefined));
      }
    }
    if (refused.size > 0) await this.#judgeReplays(recorded, refused);
    const results = await this.#project(recorded);
    for (const [pending, problem] of refused) pending.reject(problem);
    for (const [pending, result] of results) pending.resolve(result);
  }

  /**
   * Tells what was counted before from what was not, whatever has become of its user since: our own events, from a try
   * whose answer was lost, are recorded; tokens that something else has consumed are replays.
   */
  async #judgeReplays(recorded: Map<Pending, Recorded>, refused: Map<Pending, Problem>): Promise<void> {
    const tokens = await this.#consumed([...refused.keys()].map(({ tokenId }) => tokenId));
    const own = new Map<string, Recorded>();
    for (const pending of refused.keys()) {
      const token = tokens.get(pending.tokenId);
      if (token === undefined) continue;
      if (token.eventId === pending.eventId) {
        const event: Recorded = { acceptedAt: token.acceptedAt, held: false, standings: [] };
        own.set(pending.eventId, event);
        recorded.set(pending, event);
        refused.delete(pending);
      } else {
        refused.set(pending, replayed(pending.userId, token));
      }
    }
    if (own.size === 0) return;
    const rows = await this.#ask<EventRow>({ text: RECORDED_EVENTS, values: [[...own.keys()]] });
    for (const { eventId, held, ...standing } of rows) {
      const event = own.get(eventId);
      if (event === undefined) continue;
      event.held = held;
      if (standing.leaderboardId !== null) event.standings.push(standing);
    }
  }

  async #ask<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    // The types do not know of it, but a query may have a limit of its own.
    const limited = { ...query, query_timeout: TRY_MS };
    return (await this.#options.pool.query<Row>(limited)).rows;
  }

  /** Hands what is committed to the leaderboards. Whatever happens there, the scores have counted. */
  async #project(recorded: Map<Pending, Recorded>): Promise<Map<Pending, RecordedScore>> {
    const changes = [...recorded].flatMap(([{ userId }, { standings }]) =>
      standings.map((standing): EntryChange => ({ userId, ...standing })),
    );
    let ranks: RankChange[] = [];
    const committed = performance.now();
    for (const { trace } of recorded.keys()) trace?.enter('project', committed);
    try {
      ranks = await this.#options.leaderboards.apply(changes);
      const projected = performance.now();
      for (const { trace } of recorded.keys()) trace?.enter('publish', projected);
      if (changes.length > 0) this.#options.onProjected?.((projected - committed) / 1000);
    } catch (error) {
      for (const { trace } of recorded.keys()) trace?.fail();
      this.#options.onError(error);
    }
    const ranksInOrder = ranks.values();
    const results = new Map<Pending, RecordedScore>();
    for (const [pending, { acceptedAt, held, standings }] of recorded) {
      const leaderboards = standings.map(
        ({ leaderboardId: id, season, score, previousScore }): BoardResult => {
          const { rank = null, previousRank = null } = ranksInOrder.next().value ?? {};
          return { id, season, score, previousScore, rank, previousRank };
        },
      );
      const status = held ? 'held' : 'counted';
      results.set(pending, { eventId: pending.eventId, acceptedAt, status, leaderboards });
    }
    return results;
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
