import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import type { Entry, EntryChange, Sort } from '../../src/leaderboard/entry.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { types } from '../../src/postgres/database.js';
import { fromUuid, toUuid } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';

/** Rows of `scores`, written without a ledger: boards of the leaderboard `global`, a new season for each. */
export class BoardRows {
  readonly pool: pg.Pool;
  #season = 1000;

  private constructor(pool: pg.Pool) {
    this.pool = pool;
  }

  static async open(t: Test): Promise<BoardRows> {
    const pool = new pg.Pool({
      connectionString: await buildTestDatabase(t),
      types,
      options: '-c timezone=UTC',
    });
    // The database may be dropped before the last connection has gone.
    pool.on('error', () => {});
    t.teardown(() => pool.end());
    return new BoardRows(pool);
  }

  newBoard(sort: Sort): Board {
    return { key: boardKey('global', this.#season++), sort };
  }

  async write({ key, sort }: Board, rows: readonly EntryChange[]): Promise<void> {
    const values = [
      rows.map(({ userId }) => toUuid('usr', userId)),
      rows.map(({ score }) => score),
      rows.map(({ score }) => (score !== null && sort === 'desc' ? -score : score)),
      rows.map(({ achievedAt }) => new Date(achievedAt)),
      rows.map(({ version }) => version),
    ];
    await this.pool.query(
      "INSERT INTO users (id, display_name) SELECT unnest($1::uuid[]), 'Ada' ON CONFLICT DO NOTHING",
      [values[0]],
    );
    await this.pool.query(
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
       SELECT $6, $7, * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bigint[])
       ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE
       SET score = excluded.score, sort_key = excluded.sort_key, achieved_at = excluded.achieved_at, version = excluded.version`,
      [...values, key.leaderboard, key.season],
    );
  }

  /**
   * A board of `userOf(1)` to `userOf(count)`, who need no rows of their own. Ten users a score on average, and of those
   * every hundredth pair at the same time. The index of the ranking is made again, because filling it takes longer than everything else.
   */
  async fill({ key, sort }: Board, count: number): Promise<void> {
    const client = await this.pool.connect();
    await client.query('SET session_replication_role = replica'); // spares a million users, whom no board reads
    const { rows } = await client.query<{ indexdef: string }>(
      "SELECT indexdef FROM pg_indexes WHERE indexname = 'scores_ranking_idx'",
    );
    await client.query('DROP INDEX scores_ranking_idx');
    await client.query(
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
       SELECT $1, $2, ('01' || lpad(to_hex(n), 10, '0') || left(md5(n::text), 20))::uuid, score, $3 * score,
              timestamptz '2026-06-11' + abs(hashint4(-n)) % 1000 * interval '1 millisecond', 1
       FROM (SELECT n, hashint4(n) % 50000 AS score FROM generate_series(1, $4::int) n) made`,
      [key.leaderboard, key.season, sort === 'desc' ? -1 : 1, count],
    );
    for (const { indexdef } of rows) await client.query(indexdef);
    await client.query('VACUUM ANALYZE scores');
    client.release(true);
  }

  /** Marks every so many entries, as of a season that is final. */
  async makeFinal({ key, sort }: Board, every: number): Promise<void> {
    const board = [key.leaderboard, key.season];
    await this.pool.query(
      `INSERT INTO season_marks
       SELECT leaderboard_id, season, rank, sort_key, achieved_at, user_id
       FROM (SELECT *, row_number() OVER (ORDER BY sort_key, achieved_at, user_id) AS rank
             FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL) ranked
       WHERE rank % $3 = 0`,
      [...board, every],
    );
    await this.pool.query(
      `INSERT INTO seasons (leaderboard_id, season, starts_at, ends_at, rules, state, entries, digest)
       VALUES ($1, $2, '-infinity', now(), jsonb_build_object('sort', $3::text), 'final',
               (SELECT count(*) FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL), '')`,
      [...board, sort],
    );
  }

  /** The n-th user of `fill`. */
  static userOf(n: number): string {
    const digest = createHash('md5').update(String(n)).digest('hex');
    return fromUuid('usr', dashed(`01${n.toString(16).padStart(10, '0')}${digest.slice(0, 20)}`));
  }

  async delete({ key }: Board, userId: string): Promise<void> {
    await this.pool.query(
      'DELETE FROM scores WHERE leaderboard_id = $1 AND season = $2 AND user_id = uuid_of($3)',
      [key.leaderboard, key.season, userId],
    );
  }
}

/** 32 digits as PostgreSQL writes a uuid. */
export const dashed = (digits: string): string => digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** The order of the contract, by sorting everything: what every reader is held against. */
export function inOrder<E extends Entry>(sort: Sort, entries: Iterable<E>): E[] {
  return [...entries].sort((a, b) => compare(sort, a, b));
}

export function compare(sort: Sort, a: Entry, b: Entry): number {
  const byScore = sort === 'asc' ? a.score - b.score : b.score - a.score;
  return byScore || a.achievedAt - b.achievedAt || (a.userId < b.userId ? -1 : Number(a.userId > b.userId));
}

export interface Hold {
  /** Resolves when the database has answered and the answer is held back. */
  readonly reached: Promise<void>;
  release(): void;
}

/** A database that has something done each time before it answers, but for the bounds of a transaction. */
export function interrupted(pool: pg.Pool, interrupt: () => Promise<void>): pg.Pool {
  const watch = <T extends pg.Pool | pg.PoolClient>(connection: T): T =>
    new Proxy(connection, {
      get(target, name) {
        if (name === 'connect') return async () => watch(await pool.connect());
        if (name !== 'query') return Reflect.get(target, name);
        return async (...args: unknown[]): Promise<unknown> => {
          const answer: unknown = await Reflect.apply(target.query, target, args);
          const [query] = args;
          const text = typeof query === 'object' && query !== null && 'text' in query ? query.text : query;
          if (!/^(BEGIN|COMMIT)/.test(String(text))) await interrupt();
          return answer;
        };
      },
    });
  return watch(pool);
}

/** A database whose answers can be held back: `hold()` is for the next query, the one after it goes through again. */
export function slowDatabase(pool: pg.Pool): { database: pg.Pool; hold(): Hold } {
  const holds: { reach(): void; released: Promise<void> }[] = [];
  const database = interrupted(pool, async () => {
    const hold = holds.shift();
    hold?.reach();
    await hold?.released;
  });
  const hold = (): Hold => {
    let reach = () => {};
    let release = () => {};
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    holds.push({ reach, released });
    return { reached, release: () => release() };
  };
  return { database, hold };
}
