import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type pg from 'pg';
import type { Unit } from '../../schemas/unit.js';
import { boardKey } from '../board-key.js';
import type { Change } from '../changes/change.js';
import { instant, instantOrNull, now } from '../clock.js';
import { withDeadline } from '../deadline.js';
import { errorCode } from '../error-code.js';
import { invalid, Problem } from '../errors.js';
import { newEpoch } from '../leaderboard/epoch.js';
import { IndexReader } from '../leaderboard/index-reader.js';
import { type BoardAsOf, seasonPurged } from '../leaderboard/seasons.js';
import { SQLSTATE } from '../postgres/errors.js';
import { timeOfKey } from '../postgres/partitions.js';
import { finiteMilliseconds, timestampAt } from '../postgres/sql.js';
import { entriesAsOf, type PastEntries, type RuledSeason } from './as-of.js';
import { ruleIn } from './event-boards.js';

/** Computations of this process at a time: each takes a connection, and a core of PostgreSQL. */
const AT_A_TIME = 2;
/** Boards and times that may be computed or wait for it. */
const MOST_WAITING = 16;
/** How long a caller waits. */
const PATIENCE_MS = 15_000;
/** A void that changes no entry is not announced: what counts the voids must not be kept for long. */
const KEPT_MS = 300_000;
/** A score is recorded some seconds after its time at the latest: what was computed earlier than that may lack some. */
const SETTLED_AFTER_MS = 10_000;

/** The season $2 of a leaderboard $1, or the one in force at the time $3, and before which id events are archived. */
const SEASON = `
SELECT s.season, ${ruleIn('sort', 'l', 's.season')} AS sort, ${ruleIn('operator', 'l', 's.season')} AS operator,
       s.rules->'unit' AS unit, ${finiteMilliseconds('s.starts_at')} AS "startsAt", ${finiteMilliseconds('s.ends_at')} AS "endsAt",
       s.season <= l.removed_through AS "isPurged", p.carried_before AS "carriedBefore"
FROM archive_progress p, leaderboards l JOIN seasons s ON s.leaderboard_id = l.id
WHERE l.id = $1 AND l.removed_at IS NULL AND CASE WHEN $2::int IS NULL THEN s.starts_at <= ${timestampAt('$3::float8')} ELSE s.season = $2 AND s.starts_at <= now() END
ORDER BY s.season DESC LIMIT 1`;

interface SeasonRow extends Pick<RuledSeason, 'season' | 'sort' | 'operator'> {
  readonly startsAt: number | null;
  readonly unit: Unit | null;
  readonly endsAt: number | null;
  readonly isPurged: boolean;
  readonly carriedBefore: string;
}

/** What was computed, as a board that is read. */
interface Computed {
  readonly reader: IndexReader;
  readonly entries: PastEntries;
}

interface HistoryOptions {
  readonly pool: pg.Pool;
  /** Of what was computed and is kept. */
  readonly maxBytes: number;
}

/**
 * Boards as they were at a time, computed from the ledger. One computation at a time runs for a board, and two in the process; who
 * asks for the same meanwhile shares it. What was computed last is kept, until something of the past is corrected.
 */
export class History {
  readonly #pool: pg.Pool;
  readonly #kept: LRUCache<string, Computed>;
  /** By board and time: what is being computed, or waits for it. */
  readonly #computing = new Map<string, Promise<Computed>>();
  /** By board: the last computation that waits or runs. */
  readonly #lines = new Map<string, Promise<unknown>>();
  readonly #turns = pLimit(AT_A_TIME);
  /** Counts the corrections: what was begun before one is not kept. */
  #corrections = 0;

  constructor({ pool, maxBytes }: HistoryOptions) {
    this.#pool = pool;
    this.#kept = new LRUCache({
      maxSize: maxBytes,
      ttl: KEPT_MS,
      sizeCalculation: ({ entries }) => entries.bytes + 1,
    });
  }

  /** Events were voided, released or imported, or users left. */
  receive({ type }: Pick<Change, 'type'>): void {
    if (type === 'corrections' || type === 'imported' || type === 'user-banned' || type === 'user-erased')
      this.forget();
  }

  /** Changes may have been missed. */
  forget(): void {
    this.#corrections++;
    this.#kept.clear();
  }

  /**
   * @param leaderboard that there is
   * @param season by default the one that was in force
   * @param time as the API takes it, in the query parameter of this name
   * @param count called before something is computed
   * @throws Problem `season-not-found`, `season-purged`, `history-archived`, `rate-limited`, `service-unavailable`
   */
  async board(
    leaderboard: string,
    season: number | undefined,
    [name, time]: readonly [name: 'asOf' | 'since', time: string],
    count: () => Promise<void>,
  ): Promise<BoardAsOf> {
    const at = Date.parse(time);
    if (at > now()) throw invalid(`/${name}`, 'must not be in the future');
    const { rows } = await this.#pool.query<SeasonRow>(SEASON, [leaderboard, season ?? null, at]);
    const [found] = rows;
    if (found === undefined)
      throw new Problem('season-not-found', `"${leaderboard}" has no such season, or had none at that time.`);
    const key = boardKey(leaderboard, found.season);
    if (found.isPurged) throw seasonPurged(key);
    const archivedUntil = timeOfKey(found.carriedBefore);
    if (at < archivedUntil)
      throw new Problem(
        'history-archived',
        `Events before ${instant(archivedUntil)} are archived: how boards stood until then is not known any more.`,
      );
    const { sort, operator, unit, endsAt } = found;
    const startsAt = found.startsAt ?? Number.NEGATIVE_INFINITY;
    const { reader, entries } = await this.#computed(
      { ...key, sort, operator, startsAt },
      key.text,
      at,
      count,
    );
    return {
      ...key,
      sort,
      asOf: instant(at),
      unit,
      endsAt: instantOrNull(endsAt),
      reader,
      voided: entries.voided,
    };
  }

  async #computed(
    board: RuledSeason,
    text: string,
    at: number,
    count: () => Promise<void>,
  ): Promise<Computed> {
    const name = `${text} ${at}`;
    const known = this.#known(name);
    if (known !== undefined) return await known;
    await count();
    return await (this.#known(name) ?? inTime(this.#begin(board, text, at, name)));
  }

  /** What is kept, or is being computed. */
  #known(name: string): Computed | Promise<Computed> | undefined {
    const computing = this.#computing.get(name);
    return this.#kept.get(name) ?? (computing && inTime(computing));
  }

  #begin(board: RuledSeason, text: string, at: number, name: string): Promise<Computed> {
    if (this.#computing.size >= MOST_WAITING)
      throw new Problem('rate-limited', 'Too many boards of the past are being computed. Try again in 5 s.', {
        retryAfter: 5,
      });
    const compute = async (): Promise<Computed> => {
      const corrections = this.#corrections;
      const isSettled = at < now() - SETTLED_AFTER_MS;
      const entries = await entriesAsOf(this.#pool, board, at);
      const position = { epoch: newEpoch(), version: 1 };
      const computed = {
        entries,
        reader: new IndexReader(
          () => entries.index,
          () => position,
        ),
      };
      if (isSettled && corrections === this.#corrections) this.#kept.set(name, computed);
      return computed;
    };
    const before = this.#lines.get(text) ?? Promise.resolve();
    const computing = before.then(
      () => this.#turns(compute),
      () => this.#turns(compute),
    );
    this.#computing.set(name, computing);
    this.#lines.set(text, computing);
    const end = () => {
      this.#computing.delete(name);
      if (this.#lines.get(text) === computing) this.#lines.delete(text);
    };
    computing.then(end, end);
    return computing;
  }
}

/** @throws Problem `service-unavailable` if it takes too long */
async function inTime(computing: Promise<Computed>): Promise<Computed> {
  const late = 'The board of that time could not be computed in time.';
  try {
    return await withDeadline(computing, PATIENCE_MS, late);
  } catch (cause) {
    const isLate = cause instanceof Error && cause.message === late;
    if (isLate || errorCode(cause) === SQLSTATE.queryCanceled)
      throw new Problem('service-unavailable', late, { retryAfter: 60, cause });
    throw cause;
  }
}
