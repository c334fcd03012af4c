import type pg from 'pg';
import type { Problem } from '../errors.js';
import { getOrMake } from '../get-or-make.js';
import { newId } from '../ids.js';
import type { RankChange, ScoredChange } from '../leaderboard/entry.js';
import { inTurn } from '../postgres/turns.js';
import { withIds } from '../stored-ids.js';
import { BatchQueue } from './batch-queue.js';
import { recordGuarded } from './guarded-batch.js';
import { type Recorded, recordedScore, scoredChanges } from './recorded.js';
import { type ConsumedToken, REFUSALS, replayed } from './refusals.js';
import { CONSUMED_TOKENS, COUNTED_EVENTS, idParameters, RECORDED_EVENTS } from './statements.js';
import {
  type BatchRow,
  type EntryRow,
  type Pending,
  type RecordedScore,
  recordBatch,
  type Skipped,
  type Submission,
} from './submission.js';

export { MAX_WAITING } from './batch-queue.js';
export type { RecordedScore, Submission } from './submission.js';

type EventRow = { readonly eventId: string; readonly held: boolean; readonly skipped: Skipped } & (
  | EntryRow
  | { readonly leaderboard: null }
);

interface LedgerOptions {
  readonly pool: pg.Pool;
  /** Shows what is committed. */
  readonly leaderboards: {
    applyAndRank(changeId: string, changes: readonly ScoredChange[]): Promise<RankChange[]>;
  };
  /** Has the pages of these leaderboards turned soon: nothing waits for it. */
  readonly turnPages: (leaderboards: Iterable<string>) => void;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
  readonly onError: (error: unknown) => void;
  /** Called with the number of submissions that were answered together, and the seconds that it took. */
  readonly onFlush?: ((size: number, seconds: number) => void) | undefined;
  /** Called with the seconds from a commit until the boards show it. */
  readonly onProjected?: (seconds: number) => void;
}

/** How long one try may take: after a connection that died without a word there is time left for another. */
const TRY_MS = 2_500;

/**
 * The writer of the ledger. Submissions wait in batch queues and are written in batches: those without limits each by one
 * statement, those with limits in a transaction that looks at what their users have done before.
 *
 * If the database does not answer, it is not known whether a batch was committed. It is sent again: each submission has its
 * event id from before the write, so a token that turns out to be consumed by that very event is a success, any other a
 * replay.
 * A batch that this process gave up may still be committed later. Its boards then learn of it from the announcement.
 */
export class ScoreLedger {
  readonly #options: LedgerOptions;
  readonly #plain: BatchQueue<Pending>;
  readonly #guarded: BatchQueue<Pending>;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const queue = {
      onError: options.onError,
      onFlush: options.onFlush,
      onStart: (batch: readonly Pending[], at: number) => {
        const id = batch[0]?.eventId ?? '';
        for (const { trace } of batch) trace?.enter('commit', at, { id, size: batch.length });
      },
    };
    this.#plain = new BatchQueue({ ...queue, send: (batch) => this.#send(batch) });
    this.#guarded = new BatchQueue({ ...queue, send: (batch) => this.#sendGuarded(batch) });
  }

  /**
   * Writes a submission. Resolves once it is committed.
   * @throws Problem `action-token-replayed`, `action-token-invalid` (no such action), `user-banned`, `not-found` (no such
   * user), `board-frozen` or `season-ended` (every board of the action), `season-changed`, `action-limit-reached`, `points-out-of-range` (a score would leave
   * ±(2^53 − 1)), or `service-unavailable`: then it may or may not have counted, and trying again is safe
   */
  record(submission: Submission): Promise<RecordedScore> {
    const queue = submission.limits === null ? this.#plain : this.#guarded;
    return new Promise((resolve, reject) => {
      // What is new comes first: a literal that goes on after a spread takes V8 longer than all else here.
      const arrivedAt = performance.now();
      queue.add({ eventId: newId('evt'), arrivedAt, isOfOtherSeason: false, resolve, reject, ...submission });
    });
  }

  /** Submissions that wait for a batch, in the longer of the two queues. */
  get waiting(): number {
    return Math.max(this.#plain.waiting, this.#guarded.waiting);
  }

  /** The answer to a token that was counted before, or null if it was not. */
  async replay(tokenId: string, userId: string): Promise<Problem | null> {
    const tokens = await inTurn(this.#options.pool, userId, () => this.#consumed([tokenId]));
    const token = tokens.get(tokenId);
    return token === undefined ? null : replayed({ userId }, token);
  }

  async #consumed(tokenIds: readonly string[]): Promise<Map<string, ConsumedToken>> {
    const rows = await this.#ask<{ tokenId: string; eventId: string }>({
      name: 'consumed-tokens',
      text: CONSUMED_TOKENS,
      values: idParameters('tok', tokenIds),
    });
    if (rows.length === 0) return new Map();
    const tokens = withIds(rows, { tokenId: 'tok', eventId: 'evt' });
    const counted = await this.#ask<{ eventId: string; userId: string; acceptedAt: number }>({
      name: 'counted-events',
      text: COUNTED_EVENTS,
      values: idParameters(
        'evt',
        tokens.map(({ eventId }) => eventId),
      ),
    });
    const events = new Map(
      withIds(counted, { eventId: 'evt', userId: 'usr' }).map((event) => [event.eventId, event]),
    );
    return new Map(
      tokens.flatMap(({ tokenId, eventId }) => {
        const event = events.get(eventId);
        return event === undefined ? [] : [[tokenId, { tokenId, ...event }]];
      }),
    );
  }

  /** Refuses new submissions, and resolves when those that wait are answered. */
  async drain(): Promise<void> {
    await Promise.all([this.#plain.drain(), this.#guarded.drain()]);
  }

  async #send(batch: Pending[]): Promise<Pending[]> {
    const now = performance.now();
    const entrants = batch.map((pending) => ({ pending, age: now - pending.arrivedAt, held: false }));
    const changeId = newId('chg');
    const rows = await this.#ask<BatchRow>(recordBatch(entrants, this.#options.writer, changeId));
    return await this.#answer(changeId, batch, rows, new Map());
  }

  async #sendGuarded(batch: Pending[]): Promise<Pending[]> {
    const { pool, writer } = this.#options;
    const changeId = newId('chg');
    const { entrants, rows, refused, locked } = await recordGuarded(pool, batch, writer, changeId, TRY_MS);
    return [...locked, ...(await this.#answer(changeId, entrants, rows, refused))];
  }

  /**
   * Answers every submission, or throws and has answered none. The rows are of the entrants.
   * @returns those that are to be sent again: their users are locked, or their season is not that of the row of a board
   */
  async #answer(
    changeId: string,
    entrants: readonly Pending[],
    rows: readonly BatchRow[],
    refused: Map<Pending, Problem>,
  ): Promise<Pending[]> {
    const recorded = new Map<Pending, Recorded>();
    const again: Pending[] = [];
    const unturned = new Set<string>();
    for (const row of rows) {
      const pending = entrants[row.index];
      if (pending === undefined) throw new Error(`The batch has no submission ${row.index}`);
      if (row.refused === 'unturned') {
        again.push(pending);
        pending.isOfOtherSeason = true;
        for (const [board, why] of Object.entries(row.skipped)) if (why === 'unturned') unturned.add(board);
        continue;
      }
      const { refused: reason, acceptedAt, held, skipped } = row;
      if (acceptedAt !== null) {
        const event = getOrMake(recorded, pending, () => ({ acceptedAt, held, skipped, entries: [] }));
        if (row.leaderboard !== null) event.entries.push(row);
      } else if (reason === 'locked' || reason === 'other-season') {
        again.push(pending);
        if (reason !== 'locked') pending.isOfOtherSeason = true;
      } else {
        refused.set(pending, reason === null ? replayed(pending, undefined) : REFUSALS[reason](pending));
      }
    }
    if (refused.size > 0) await this.#judgeReplays(recorded, refused);
    const results = await this.#project(changeId, recorded);
    for (const [pending, problem] of refused) pending.reject(problem);
    for (const [pending, result] of results) pending.resolve(result);
    // What comes again is found unturned again until that is done.
    if (unturned.size > 0) this.#options.turnPages(unturned);
    return again;
  }

  /**
   * Finds refused submissions whose tokens were consumed before, even if their user or boards have changed since. Events of
   * our own, from a try whose answer was lost, are recorded; tokens that another event has consumed are replays.
   */
  async #judgeReplays(recorded: Map<Pending, Recorded>, refused: Map<Pending, Problem>): Promise<void> {
    const tokens = await this.#consumed([...refused.keys()].map(({ tokenId }) => tokenId));
    const own = new Map<string, Recorded>();
    for (const pending of refused.keys()) {
      const token = tokens.get(pending.tokenId);
      if (token === undefined) continue;
      if (token.eventId === pending.eventId) {
        const event: Recorded = { acceptedAt: token.acceptedAt, held: false, skipped: null, entries: [] };
        own.set(pending.eventId, event);
        recorded.set(pending, event);
        refused.delete(pending);
      } else {
        refused.set(pending, replayed(pending, token));
      }
    }
    if (own.size === 0) return;
    // In the order of the ids.
    const pending = [...recorded.keys()].filter(({ eventId }) => own.has(eventId)).sort(byEventId);
    const ids = pending.map(({ eventId }) => eventId);
    const rows = await this.#ask<EventRow>({
      text: RECORDED_EVENTS,
      values: [...idParameters('evt', ids), pending.map(({ tokenIssuedAt }) => tokenIssuedAt)],
    });
    for (const { eventId, held, skipped, ...entry } of withIds(rows, { eventId: 'evt' })) {
      const event = own.get(eventId);
      if (event === undefined) continue;
      event.held = held;
      event.skipped = skipped;
      if (entry.leaderboard !== null) event.entries.push(entry);
    }
  }

  async #ask<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    // The types do not know of it, but a query may have a limit of its own.
    const limited = { ...query, query_timeout: TRY_MS };
    return (await this.#options.pool.query<Row>(limited)).rows;
  }

  /** Hands committed scores to the leaderboards. They have counted, also if that fails. */
  async #project(change: string, recorded: Map<Pending, Recorded>): Promise<Map<Pending, RecordedScore>> {
    const changes = [...recorded].flatMap(([{ userId }, event]) => scoredChanges(userId, event));
    let ranks: RankChange[] = [];
    const committed = performance.now();
    for (const { trace } of recorded.keys()) trace?.enter('project', committed);
    try {
      ranks = await this.#options.leaderboards.applyAndRank(change, changes);
      const projected = performance.now();
      for (const { trace } of recorded.keys()) trace?.enter('publish', projected);
      if (changes.length > 0) this.#options.onProjected?.((projected - committed) / 1000);
    } catch (error) {
      for (const { trace } of recorded.keys()) trace?.fail();
      this.#options.onError(error);
    }
    const ranksInOrder = ranks.values();
    return new Map(
      [...recorded].map(([pending, event]) => [pending, recordedScore(pending.eventId, event, ranksInOrder)]),
    );
  }
}

/** Ids sort as they are stored. */
const byEventId = (a: Pending, b: Pending): number => (a.eventId < b.eventId ? -1 : 1);
