import type pg from 'pg';
import type { Leaderboard } from '../../schemas/leaderboard.js';
import { type BoardKey, parseBoardKey } from '../board-key.js';
import { boundedCache } from '../bounded-cache.js';
import { announce, type Change } from '../changes/change.js';
import { newId } from '../ids.js';
import { Loop } from '../loop.js';
import { type Queryable, transact } from '../postgres/database.js';
import { fromUuid } from '../stored-ids.js';
import { publish } from './publish.js';

/** At most one event for a board in this time. */
const REST_MS = 1_000;
/** Boards whose leaders are known. One that is not is looked at when it changes. */
const MAX_KNOWN = 10_000;
/** Boards whose leader is found to be another than the published one, after changes were missed. */
const MAX_MISSED = 10_000;

const IS_WANTED = `
SELECT FROM webhooks WHERE 'leader.changed' = ANY (events) AND disabled_at IS NULL AND removed_at IS NULL LIMIT 1`;
const top = (leaderboard: string, season: string): string => `(
  SELECT user_id, score FROM scores
  WHERE leaderboard_id = ${leaderboard} AND season = ${season} AND score IS NOT NULL
  ORDER BY sort_key, achieved_at, user_id LIMIT 1)`;
/** $1 a leaderboard, $2 a season that is not over, $3 a time in milliseconds. */
const LOOK = `
SELECT l.sort, l.season, t.leaderboard_id IS NOT NULL AS "isKnown", CASE WHEN t.season = $2 THEN t.user_id END AS published,
       coalesce(t.published_at > clock_timestamp() - $3 * interval '1 millisecond', false) AS "isLately", top.user_id AS "user", top.score
FROM leaderboards l
LEFT JOIN published_leaders t ON t.leaderboard_id = l.id
LEFT JOIN LATERAL ${top('l.id', '$2')} top ON true
WHERE l.id = $1 AND l.removed_at IS NULL AND l.season <= $2 AND coalesce(t.season <= $2, true)`;
const MAKE = `
INSERT INTO published_leaders (leaderboard_id, season, user_id, published_at) VALUES ($1, $2, NULL, '-infinity')
ON CONFLICT (leaderboard_id) DO NOTHING`;
const LOCK = 'SELECT FROM published_leaders WHERE leaderboard_id = $1 FOR UPDATE';
/** $4 whether it is published. */
const SET = `
UPDATE published_leaders SET season = $2, user_id = $3, published_at = CASE WHEN $4 THEN clock_timestamp() ELSE published_at END
WHERE leaderboard_id = $1`;
/** Whether nobody has led before: the only entry is new, or the season began after somebody wanted to know. */
const IS_NEWS = `
SELECT (SELECT sum(version) FROM (SELECT version FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL LIMIT 2) s) = 1
       OR EXISTS (SELECT FROM webhooks w, leaderboards l
                  WHERE 'leader.changed' = ANY (w.events) AND w.disabled_at IS NULL AND w.removed_at IS NULL
                    AND l.id = $1 AND w.created_at <= greatest(l.created_at, l.season_starts_at)) AS "isNews"`;
const MISSED = `
SELECT l.id || ':' || l.season AS board
FROM published_leaders t JOIN leaderboards l ON l.id = t.leaderboard_id AND l.removed_at IS NULL
LEFT JOIN LATERAL ${top('l.id', 'l.season')} top ON true
WHERE top.user_id IS DISTINCT FROM CASE WHEN t.season = l.season THEN t.user_id END
LIMIT ${MAX_MISSED}`;

interface Look {
  readonly sort: Leaderboard['sort'];
  readonly season: number;
  /** Whether it was looked at before: else nobody knows whether the leader is a new one. */
  readonly isKnown: boolean;
  /** Whom the last event of this season has named. */
  readonly published: string | null;
  /** Whether that was a moment ago. */
  readonly isLately: boolean;
  readonly user: string | null;
  readonly score: number | null;
}

/** The first entry of a board; the user is null if it has none. */
interface Leader {
  readonly userId: string | null;
  /** As it sorts ascending. */
  readonly key: number;
  readonly sort: Leaderboard['sort'];
}

interface LeadersOptions {
  readonly pool: pg.Pool;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
  readonly onError: (error: unknown) => void;
}

type Entry = readonly [userId: string, score: number | null, ...unknown[]];

/**
 * Notices that somebody else leads a board, by the changes that every instance hears anyway: nothing is added to the writing of
 * scores. An entry that does not beat the known leader costs a comparison. Else the board is *due*: PostgreSQL is asked, at most
 * once a second for each board. The first instance that gets the lock of the board's row in `published_leaders` publishes the
 * event, and announces it; the others find it published.
 */
export class Leaders {
  readonly #options: LeadersOptions;
  /** By the text of the board key. */
  readonly #known = boundedCache<string, Leader>(MAX_KNOWN);
  readonly #due = new Set<string>();
  readonly #looks: Loop;
  readonly #starts: Loop;
  /** Whether a webhook asks for these events. */
  #isWanted = false;

  constructor(options: LeadersOptions) {
    this.#options = options;
    const { onError } = options;
    this.#looks = new Loop((signal) => this.#lookAtAll(signal), { restMs: REST_MS, onError });
    this.#starts = new Loop(() => this.#start(), { onError });
  }

  /** Finds out whether anybody wants to know, and what was missed: at the start, and when changes were not heard. */
  start(): void {
    this.#starts.request();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#looks.stop(), this.#starts.stop()]);
  }

  hear(change: Change): void {
    if (change.type === 'webhooks') this.start();
    if (!this.#isWanted) return;
    if (change.type === 'scores') {
      if (this.#mayChangeLeader(change.board, change.entries)) this.#makeDue([change.board]);
    } else if (change.type === 'corrections') {
      const boards = change.entries.filter((entry) => this.#mayChangeLeader(entry[4], [entry]));
      this.#makeDue(boards.map(([, , , , board]) => board));
    } else if (change.type === 'user-erased') {
      const led = change.boards.filter((board) => this.#known.get(board)?.userId === change.userId);
      this.#makeDue(led);
    } else if (change.type === 'imported') {
      this.#makeDue([change.board]);
    } else if (change.type === 'leader' && this.#known.get(change.board)?.userId !== change.userId) {
      // The instance that has published it may be dead, and the leader another one again.
      this.#makeDue([change.board]);
    }
  }

  #mayChangeLeader(board: string, entries: readonly Entry[]): boolean {
    let isDue = false;
    for (const [userId, score] of entries) {
      const leader = this.#known.get(board);
      if (leader === undefined) return true;
      const { sort } = leader;
      const key = keyOf(sort, score);
      if (userId === leader.userId && key <= leader.key) this.#known.set(board, { userId, key, sort });
      else if (userId === leader.userId || key <= leader.key) isDue = true;
    }
    return isDue;
  }

  #makeDue(boards: readonly string[]): void {
    for (const board of boards) this.#due.add(board);
    if (boards.length > 0) this.#looks.request();
  }

  async #start(): Promise<void> {
    const { pool } = this.#options;
    this.#known.clear();
    this.#isWanted = (await pool.query(IS_WANTED)).rowCount !== 0;
    if (!this.#isWanted) return;
    const { rows } = await pool.query<{ board: string }>(MISSED);
    this.#makeDue(rows.map(({ board }) => board));
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const boards = [...this.#due];
    this.#due.clear();
    for (const [i, text] of boards.entries()) {
      const board = parseBoardKey(text);
      if (board === null || signal.aborted) continue;
      try {
        // What is heard from now on makes it due again.
        this.#known.delete(text);
        await this.#lookAt(board);
      } catch (error) {
        this.#makeDue(boards.slice(i));
        throw error;
      }
    }
  }

  async #lookAt(board: BoardKey): Promise<void> {
    const { pool } = this.#options;
    const look = await lookAt(pool, board);
    if (look === null) return;
    if (!isPublished(look) && !(await transact(pool, (client) => this.#publish(client, board)))) {
      this.#makeDue([board.text]);
      return;
    }
    // Its rules are those of the season before until somebody turns the page.
    if (look.season !== board.season) return;
    const { sort, user, score } = look;
    this.#known.set(board.text, { userId: user && fromUuid('usr', user), key: keyOf(sort, score), sort });
  }

  /** @returns whether the leader of now is published; false if it is too early for another event */
  async #publish(client: Queryable, board: BoardKey): Promise<boolean> {
    const { leaderboard, season } = board;
    const made = await client.query(MAKE, [leaderboard, season]);
    await client.query(LOCK, [leaderboard]);
    // With the lock: what is read now is newer than what was published last.
    const look = await lookAt(client, board);
    if (look === null || isPublished(look)) return true;
    if (look.isLately) return false;
    const { user, score, published } = look;
    const isNews = made.rowCount === 0 || (await this.#isNews(client, board));
    await client.query(SET, [leaderboard, season, user, isNews]);
    if (!isNews) return true;
    const userId = user && fromUuid('usr', user);
    const previousUserId = published && fromUuid('usr', published);
    await publish(client, {
      type: 'leader.changed',
      data: { leaderboard, season, userId, score, previousUserId },
    });
    const { writer } = this.#options;
    await announce(client, { type: 'leader', id: newId('chg'), writer, board: board.text, userId });
    return true;
  }

  async #isNews(client: Queryable, { leaderboard, season }: BoardKey): Promise<boolean> {
    const { rows } = await client.query<{ isNews: boolean }>(IS_NEWS, [leaderboard, season]);
    return rows[0]?.isNews ?? false;
  }
}

/** Null if the season is over, or the leaderboard deleted. */
async function lookAt(client: Queryable, { leaderboard, season }: BoardKey): Promise<Look | null> {
  const { rows } = await client.query<Look>(LOOK, [leaderboard, season, REST_MS]);
  return rows[0] ?? null;
}

const isPublished = ({ isKnown, published, user }: Look): boolean => isKnown && published === user;

/** A score as it sorts ascending; behind all others if there is none. */
/** Without a leader any score leads. */
const keyOf = (sort: Leaderboard['sort'], score: number | null): number =>
  score === null ? Number.POSITIVE_INFINITY : sort === 'asc' ? score : -score;
