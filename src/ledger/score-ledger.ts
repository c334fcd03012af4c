import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { brokenConstraint, errorCode, isDatabaseUnavailable, SQLSTATE } from '../database.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import type { RankChange } from '../leaderboard/leaderboard.js';
import type { EntryChange, Leaderboards } from '../leaderboard/leaderboards.js';
import { CONSUMED_TOKENS, PURGE_TOKENS, RECORD_BATCH, RECORDED_EVENTS } from './statements.js';

/** What a verified action token and the request that brought it say. */
export interface Submission {
  readonly tokenId: string;
  readonly userId: string;
  readonly actionId: string;
  readonly points: number;
  readonly metadata: object | null;
  /** Seconds since the epoch. */
  readonly tokenExpiresAt: number;
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
  readonly leaderboards: BoardResult[];
}

/** What a token was counted as. */
interface ConsumedToken {
  readonly tokenId: string;
  readonly eventId: string;
  readonly userId: string;
  readonly acceptedAt: number;
}

interface Pending extends Submission {
  readonly eventId: string;
  /** On the clock of `performance.now()`. */
  readonly arrivedAt: number;
  resolve(recorded: RecordedScore): void;
  reject(reason: unknown): void;
}

/** One row a submission and board; the columns of the board are null if the submission has changed none. */
interface BatchRow {
  readonly index: number;
  readonly userExists: boolean;
  readonly banned: boolean | null;
  readonly acceptedAt: number | null;
  readonly leaderboardId: string | null;
  readonly season: number;
  readonly score: number;
  readonly previousScore: number | null;
  readonly achievedAt: number;
  readonly version: number;
}

type Standing = Omit<EntryChange, 'userId'> & { readonly previousScore: number | null };
interface Recorded {
  readonly acceptedAt: number;
  readonly standings: Standing[];
}
type StandingRow = Standing & { readonly eventId: string };

interface LedgerOptions {
  readonly pool: pg.Pool;
  readonly leaderboards: Pick<Leaderboards, 'apply'>;
  /** Names this process in what it announces to the others. */
  readonly instance: string;
  readonly onError: (error: unknown) => void;
}

const MAX_BATCH = 256;
const MAX_FLUSHING = 2;
const MAX_WAITING = 8_192;
/** How long a submission is tried to be written, from its arrival, in milliseconds. */
const PATIENCE_MS = 5_000;
/** How long one try may take: after a connection that died without a word there is time left for another. */
const TRY_MS = 2_500;
/** How long after its expiry a token can still be told from one that was never used, in seconds. */
const REMEMBER_TOKENS_FOR = 86_400;
const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 500;

/**
 * The writer of the ledger. A commit costs far more than a row, so submissions share commits:
 *
 * - *idle*: nothing waits. The first submission starts a batch, together with all that arrive in the same turn of the
 *   event loop.
 * - *flushing*: up to two batches are on their way, each one statement on a connection of its own. Submissions that
 *   arrive meanwhile wait and *fill* the next batch, which goes as soon as a connection is free. There is no timer: a lone
 *   submission is written at once, and under load batches grow by themselves.
 * - *draining*: new submissions are refused, those that wait are still written.
 *
 * If the database does not answer, nobody knows whether a batch was committed. It is sent again: each submission has its
 * event id from before the write, so a token that turns out to be consumed by that very event is a success, any other a
 * replay. A row that PostgreSQL refuses fails alone: its batch is halved until it is found.
 * What this process gave up may still be committed later: its boards then hear of it as they hear of other instances.
 */
export class ScoreLedger {
  readonly #options: LedgerOptions;
  readonly #waiting: Pending[] = [];
  #flushing = 0;
  #scheduled = false;
  #draining = false;
  readonly #onDrained: (() => void)[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /**
   * Writes a submission. Resolves once it is committed.
   * @throws Problem `action-token-replayed`, `user-banned`, `not-found` (no such user), `points-out-of-range` (a score
   * would leave ±(2^53 − 1)), or `service-unavailable`: then it may or may not have counted, and trying again is safe
   */
  record(submission: Submission): Promise<RecordedScore> {
    if (this.#draining)
      return Promise.reject(new Problem('service-unavailable', 'The service is shutting down.'));
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new Problem('service-unavailable', 'Too many scores are waiting to be written.'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        ...submission,
        eventId: newId('evt'),
        arrivedAt: performance.now(),
        resolve,
        reject,
      });
      this.#schedule();
    });
  }

  /** The answer to a token that was counted before, or null if it was not. */
  async replay(tokenId: string, userId: string): Promise<Problem | null> {
    const token = (await this.#consumed([tokenId])).get(tokenId);
    return token === undefined ? null : replayProblem(userId, token);
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
    this.#draining = true;
    if (this.#waiting.length === 0 && this.#flushing === 0) return;
    await new Promise<void>((resolve) => this.#onDrained.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing >= MAX_FLUSHING) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    if (batch.length > 0) {
      this.#flushing++;
      if (this.#waiting.length > 0) this.#schedule();
      try {
        await this.#write(batch);
      } catch (error) {
        this.#options.onError(error);
        for (const pending of batch) pending.reject(error);
      }
      this.#flushing--;
    }
    if (this.#waiting.length > 0) this.#schedule();
    else if (this.#flushing === 0) for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  /** Writes a batch, trying again as long as the fault may pass. */
  async #write(batch: Pending[]): Promise<void> {
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      const overdue = performance.now() - PATIENCE_MS;
      const [due, late] = partition(batch, ({ arrivedAt }) => arrivedAt > overdue);
      for (const pending of late) {
        pending.reject(
          new Problem('service-unavailable', 'The score could not be written in time. Try again.'),
        );
      }
      if (due.length === 0) return;
      batch = due;
      try {
        return await this.#send(batch);
      } catch (error) {
        if (isRefused(error)) return await this.#isolate(batch, error);
        if (!isWorthRetrying(error)) throw error;
        if (!isRace(error)) this.#options.onError(error);
      }
      await delay(wait * (0.5 + Math.random() / 2));
    }
  }

  /** Finds the row that PostgreSQL has refused, by halves. */
  async #isolate(batch: Pending[], error: unknown): Promise<void> {
    const [alone, ...others] = batch;
    if (alone !== undefined && others.length === 0) {
      if (brokenConstraint(error) === 'scores_score_check') {
        return alone.reject(
          new Problem('points-out-of-range', 'The score would leave the range of exact integers.'),
        );
      }
      this.#options.onError(error);
      return alone.reject(error);
    }
    const half = batch.length >> 1;
    await this.#write(batch.slice(0, half));
    await this.#write(batch.slice(half));
  }

  /** One try at one batch. Answers every submission, or throws and has answered none. */
  async #send(batch: Pending[]): Promise<void> {
    const now = performance.now();
    const rows = await this.#ask<BatchRow>({
      name: 'record-batch',
      text: RECORD_BATCH,
      values: [
        batch.map(({ eventId }) => eventId),
        batch.map(({ tokenId }) => tokenId),
        batch.map(({ userId }) => userId),
        batch.map(({ actionId }) => actionId),
        batch.map(({ points }) => points),
        batch.map(({ metadata }) => metadata && JSON.stringify(metadata)),
        batch.map(({ arrivedAt }) => now - arrivedAt),
        batch.map(({ tokenExpiresAt }) => tokenExpiresAt),
        this.#options.instance,
      ],
    });
    const recorded = new Map<Pending, Recorded>();
    const refused = new Map<Pending, Problem>();
    for (const { index, userExists, banned, acceptedAt, leaderboardId, ...standing } of rows) {
      const pending = batch[index];
      if (pending === undefined) throw new Error(`The batch has no submission ${index}`);
      if (acceptedAt !== null) {
        const entry = getOrMake(recorded, pending, () => ({ acceptedAt, standings: [] }));
        if (leaderboardId !== null) entry.standings.push({ leaderboardId, ...standing });
      } else if (!userExists) {
        refused.set(pending, new Problem('not-found', `There is no user "${pending.userId}".`));
      } else if (banned) {
        refused.set(pending, new Problem('user-banned', 'This user is banned: it may read but not score.'));
      } else {
        refused.set(pending, replayProblem(pending.userId, undefined));
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
    const own = new Map<string, Standing[]>();
    for (const pending of refused.keys()) {
      const token = tokens.get(pending.tokenId);
      if (token === undefined) continue;
      if (token.eventId === pending.eventId) {
        const standings: Standing[] = [];
        own.set(pending.eventId, standings);
        recorded.set(pending, { acceptedAt: token.acceptedAt, standings });
        refused.delete(pending);
      } else {
        refused.set(pending, replayProblem(pending.userId, token));
      }
    }
    if (own.size === 0) return;
    const rows = await this.#ask<StandingRow>({ text: RECORDED_EVENTS, values: [[...own.keys()]] });
    for (const { eventId, ...standing } of rows) own.get(eventId)?.push(standing);
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
    try {
      ranks = await this.#options.leaderboards.apply(changes);
    } catch (error) {
      this.#options.onError(error);
    }
    const ranksInOrder = ranks.values();
    const results = new Map<Pending, RecordedScore>();
    for (const [pending, { acceptedAt, standings }] of recorded) {
      const leaderboards = standings.map(
        ({ leaderboardId: id, season, score, previousScore }): BoardResult => {
          const { rank = null, previousRank = null } = ranksInOrder.next().value ?? {};
          return { id, season, score, previousScore, rank, previousRank };
        },
      );
      results.set(pending, { eventId: pending.eventId, acceptedAt, leaderboards });
    }
    return results;
  }
}

/** The answer to a token that was counted before; to the user it was counted for it says as what. */
function replayProblem(userId: string, token: ConsumedToken | undefined): Problem {
  return new Problem(
    'action-token-replayed',
    'This action token was used before; it counts once.',
    token?.userId === userId
      ? { original: { eventId: token.eventId, acceptedAt: new Date(token.acceptedAt).toISOString() } }
      : {},
  );
}

/** The data of some row cannot be written, now or later: SQLSTATE classes 22 (bad value) and 23 (broken constraint). */
const isRefused = (error: unknown): boolean => /^2[23]/.test(errorCode(error) ?? '') && !isRace(error);

/** Another batch was in the way; it is through by now. */
const isRace = (error: unknown): boolean =>
  brokenConstraint(error) === 'scores_pkey' ||
  errorCode(error) === SQLSTATE.deadlockDetected ||
  errorCode(error) === SQLSTATE.serializationFailure;

const isWorthRetrying = (error: unknown): boolean => isRace(error) || isDatabaseUnavailable(error);

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
