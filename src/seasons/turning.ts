import type pg from 'pg';
import { boundedCache } from '../bounded-cache.js';
import { errorCode } from '../error-code.js';
import { Backoff } from '../loop.js';
import { type Queryable, transact } from '../postgres/database.js';
import { isDatabaseUnavailable, SQLSTATE } from '../postgres/errors.js';
import { milliseconds } from '../postgres/sql.js';
import { turnPage } from './turn-page.js';

/** Boards that are looked for at a time. */
const BOARDS = 100;
/** Boards whose pages are turned side by side: some have many seasons to go through, and the other connections are for scores. */
const AT_ONCE = 2;
/** How long a board that has failed is left alone, in milliseconds: at first, and at most. */
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 60_000;
const MAX_FAILING = 10_000;

/** Except those that have failed a moment ago: $1. */
const DUE = `
SELECT id FROM (
SELECT id FROM leaderboards WHERE next_starts_at <= clock_timestamp()
UNION SELECT leaderboard_id FROM seasons WHERE state = 'open' AND ends_at <= clock_timestamp() AND ends_at < 'infinity') due
WHERE id <> ALL ($1)
ORDER BY random() LIMIT ${BOARDS}`;
/** Boards that have failed do not hasten the next look: $1. */
const NEXT = `
SELECT ${milliseconds(`least(
  (SELECT min(next_starts_at) FROM leaderboards WHERE next_starts_at < 'infinity' AND id <> ALL ($1)),
  (SELECT min(ends_at) FROM seasons WHERE state = 'open' AND ends_at < 'infinity' AND leaderboard_id <> ALL ($1)))
  - clock_timestamp()`)} AS ms`;

interface PageTurnerOptions {
  readonly pool: pg.Pool;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
  /** Called with an `UnplannedSeason` once, and with each other fault of a board when it is new. */
  readonly onFault: (fault: Error) => void;
}

interface Failing {
  readonly cause: string;
  readonly backoff: Backoff;
  /** Until when it is left alone, on the clock of `performance.now()`. */
  readonly until: number;
}

/**
 * Writes down what time has decided: a season that is over is closing, and one that has begun is that of its board. No
 * score waits for this. Any instance does it, whenever it comes to it; of several, one does.
 */
export class PageTurner {
  readonly #options: PageTurnerOptions;
  readonly #failing = boundedCache<string, Failing>(MAX_FAILING);

  constructor(options: PageTurnerOptions) {
    this.#options = options;
  }

  /**
   * Turns the pages of the boards that are due.
   * @returns in how many milliseconds something will be due again; null if nothing is known to be
   * @throws Error if PostgreSQL cannot be asked
   */
  async turnDue(): Promise<number | null> {
    const { pool } = this.#options;
    const resting = [...this.#failing.keys()].filter((id) => this.#isResting(id));
    const { rows } = await pool.query<{ id: string }>(DUE, [resting]);
    await this.turn(rows.map(({ id }) => id));
    const next = await pool.query<{ ms: number | null }>(NEXT, [[...this.#failing.keys()]]);
    return next.rows[0]?.ms ?? null;
  }

  /** The same for some boards. One that fails is left alone for a while, and keeps no other from being turned. */
  async turn(boards: Iterable<string>): Promise<void> {
    const ids = new Set(boards).values();
    const turnSome = async () => {
      for (const id of ids) if (!this.#isResting(id)) await this.#turnOne(id);
    };
    const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, turnSome));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #isResting(id: string): boolean {
    return (this.#failing.peek(id)?.until ?? 0) > performance.now();
  }

  async #turnOne(id: string): Promise<void> {
    const { pool, writer, onFault } = this.#options;
    try {
      for (let isBehind = true; isBehind; ) {
        const turned = await transact(pool, (client) => turnPage(client, id, writer));
        isBehind = turned.isBehind;
        if (turned.unplanned !== undefined) onFault(turned.unplanned);
      }
      this.#failing.delete(id);
    } catch (error) {
      if (!isOfBoard(error)) throw error;
      const known = this.#failing.get(id);
      const cause = String(error);
      const backoff = known?.backoff ?? new Backoff(FIRST_BACKOFF_MS, MAX_BACKOFF_MS);
      this.#failing.set(id, { cause, backoff, until: performance.now() + backoff.next() });
      if (cause !== known?.cause)
        onFault(new Error(`The page of the leaderboard "${id}" cannot be turned`, { cause: error }));
    }
  }
}

/** Whether other boards may fare better. What takes too long may be of one board. */
const isOfBoard = (error: unknown): boolean =>
  !isDatabaseUnavailable(error) ||
  [SQLSTATE.queryCanceled, SQLSTATE.lockNotAvailable].some((code) => code === errorCode(error));

const COMING = `
SELECT l.id AS leaderboard, l.season, n.rules->>'sort' AS sort
FROM leaderboards l JOIN seasons n ON n.leaderboard_id = l.id AND n.season = l.season + 1
WHERE l.next_starts_at < clock_timestamp() + $1 * interval '1 millisecond' AND l.next_starts_at < 'infinity'`;

/** A leaderboard whose next season begins soon. */
interface Coming {
  readonly leaderboard: string;
  /** The one before it. */
  readonly season: number;
  /** How the next one sorts. */
  readonly sort: 'desc' | 'asc';
}

/** The leaderboards whose next season begins within so many milliseconds. */
export async function comingSeasons(database: Queryable, withinMs: number): Promise<Coming[]> {
  return (await database.query<Coming>(COMING, [withinMs])).rows;
}

/** A minute is longer than any instance needs, and any back-off. */
const FAULTS = `
SELECT (SELECT count(*) FROM leaderboards
        WHERE removed_at IS NULL AND NOT schedule ? 'seasons' AND season_ends_at < 'infinity' AND next_starts_at = 'infinity') AS unplanned,
       (SELECT count(*) FROM (
          SELECT id FROM leaderboards WHERE next_starts_at <= now() - interval '1 minute'
          UNION SELECT leaderboard_id FROM seasons
          WHERE state = 'open' AND ends_at <= now() - interval '1 minute' AND ends_at < 'infinity') late) AS overdue`;

/** Leaderboards whose schedule cannot be computed any more, and those whose page should have been turned a minute ago. */
export async function faultsOfSeasons(
  database: Queryable,
): Promise<{ readonly unplanned: number; readonly overdue: number }> {
  const { rows } = await database.query<{ unplanned: number; overdue: number }>(FAULTS);
  return rows[0] ?? { unplanned: 0, overdue: 0 };
}
