import type pg from 'pg';
import { type RedisClient, Script } from '../redis.js';
import { entryPages } from './entry-pages.js';
import { newEpoch } from './epoch.js';
import type { BoardKey, VersionedStanding } from './leaderboard.js';
import { BOARDS_CHANNEL, BoardLost, keysOf, scriptArguments } from './redis-leaderboard.js';
import * as scripts from './redis-scripts.js';

/** First key of the advisory lock that lets one instance reconcile a board at a time; the second is the board. */
const RECONCILE_LOCK = 7_228_502;
/** A script holds up all of Redis while it runs: 500 entries take some 2 ms. */
const ENTRIES_A_SCRIPT = 500;
const SCRIPTS_UNDER_WAY = 4;
const SCAN_COUNT = 1_000;

const begin = new Script(scripts.BEGIN);
const load = new Script(scripts.LOAD);
const promote = new Script(scripts.PROMOTE);
const repair = new Script(scripts.REPAIR);
const remove = new Script(scripts.REMOVE);
const surplus = new Script(scripts.SURPLUS);

const LOCK = 'SELECT pg_try_advisory_lock($1, hashtext($2)) AS ours';
const UNLOCK = 'SELECT pg_advisory_unlock($1, hashtext($2))';
const PRESENT = `
SELECT user_id AS "userId" FROM scores WHERE leaderboard_id = $1 AND season = $2 AND user_id = ANY ($3::text[])`;

/** Makes boards in Redis agree with PostgreSQL. */
export class Reconciler {
  readonly #pool: pg.Pool;
  readonly #client: RedisClient;

  constructor(pool: pg.Pool, client: RedisClient) {
    this.#pool = pool;
    this.#client = client;
  }

  /**
   * Compares a board entry by entry, sets right what differs, and builds it anew if Redis has lost it.
   * @returns how many entries differed, or null if another instance is at it
   */
  async reconcile(key: BoardKey): Promise<number | null> {
    const lock = await this.#pool.connect();
    try {
      const { rows } = await lock.query<{ ours: boolean }>(LOCK, [RECONCILE_LOCK, key.id]);
      if (!rows[0]?.ours) return null;
      const drift = await this.#compareOrBuild(key);
      await lock.query(UNLOCK, [RECONCILE_LOCK, key.id]);
      return drift;
    } finally {
      // With the connection goes the lock, in whatever state it is.
      lock.release(true);
    }
  }

  async #compareOrBuild(key: BoardKey): Promise<number> {
    try {
      return await this.#compare(key);
    } catch (error) {
      if (!(error instanceof BoardLost)) throw error;
      return await this.build(key);
    }
  }

  /** Sets right the entries that differ from these, which are committed. @returns how many */
  async repair(key: BoardKey, standings: readonly VersionedStanding[]): Promise<number> {
    let drift = 0;
    await this.#inScripts(standings, async (part) => {
      const args = part.flatMap((standing) => scriptArguments(key, standing));
      drift =
        count(await repair.run(this.#client, keysOf(key).board, [BOARDS_CHANNEL, key.id, ...args])) + drift;
    });
    return drift;
  }

  async #compare(key: BoardKey): Promise<number> {
    const { board } = keysOf(key);
    let drift = count(await surplus.run(this.#client, board, []));
    // The two keys do not tell the same: no repair of single entries finds what is wrong.
    if (drift !== 0) return await this.build(key);
    for await (const standings of entryPages(this.#pool, key)) drift += await this.repair(key, standings);
    return drift + (await this.#removeStrangers(key));
  }

  /** Takes entries away that PostgreSQL does not have. It has every entry before Redis does. */
  async #removeStrangers(key: BoardKey): Promise<number> {
    const { board } = keysOf(key);
    const [, entries = ''] = board;
    let removed = 0;
    let cursor = '0';
    do {
      const [next, fields] = await this.#client.hscan(entries, cursor, 'COUNT', SCAN_COUNT);
      const users = fields.filter(
        (field, i) => i % 2 === 0 && !field.startsWith('~') && fields[i + 1] !== '',
      );
      const { rows } = await this.#pool.query<{ userId: string }>(PRESENT, [key.id, key.season, users]);
      const present = new Set(rows.map(({ userId }) => userId));
      const strangers = users.filter((user) => !present.has(user));
      if (strangers.length > 0) {
        removed += count(await remove.run(this.#client, board, [BOARDS_CHANNEL, key.id, ...strangers]));
      }
      cursor = next;
    } while (cursor !== '0');
    return removed;
  }

  /** Builds the board beside the old one, if there is any, and puts it in its place. @returns how many entries it has */
  async build(key: BoardKey): Promise<number> {
    const { board, next } = keysOf(key);
    const epoch = newEpoch();
    let entries = 0;
    // From here on every change goes to the next board too, so what commits while rows are read is not missed.
    await begin.run(this.#client, next, [epoch]);
    for await (const standings of entryPages(this.#pool, key)) {
      await this.#inScripts(standings, async (part) => {
        const args = part.flatMap((standing) => scriptArguments(key, standing));
        count(await load.run(this.#client, next, [epoch, ...args]));
      });
      entries += standings.length;
    }
    count(await promote.run(this.#client, [...board, ...next], [BOARDS_CHANNEL, key.id, epoch]));
    return entries;
  }

  async #inScripts<T>(items: readonly T[], run: (part: T[]) => Promise<void>): Promise<void> {
    for (let start = 0; start < items.length; ) {
      const parts: Promise<void>[] = [];
      for (; parts.length < SCRIPTS_UNDER_WAY && start < items.length; start += ENTRIES_A_SCRIPT) {
        parts.push(run(items.slice(start, start + ENTRIES_A_SCRIPT)));
      }
      await Promise.all(parts);
    }
  }
}

/** The number that a script has answered. */
function count(answer: unknown): number {
  if (answer === null) throw new BoardLost('The board is not in Redis');
  if (typeof answer !== 'number') throw new Error('Redis has given an answer that no script of ours gives');
  return answer;
}
