import { Type } from '@sinclair/typebox';
import pLimit from 'p-limit';
import type pg from 'pg';
import { Loop } from '../loop.js';
import { transact } from '../postgres/database.js';
import { inTime } from '../redis/scripts.js';
import { type EntryChange, hasScore, sortKey } from './entry.js';
import { entriesByUser, entriesInOrder, entriesOf } from './entry-pages.js';
import { newEpoch } from './epoch.js';
import type { Board } from './projection.js';
import { type BoardRedis, isLost, keysOf, parser, scriptArguments, timeText } from './redis-projection.js';

/** First key of the advisory lock that lets one instance reconcile a board at a time; the second is the board. */
export const RECONCILE_LOCK = 7_228_502;
/** A command or script blocks Redis while it runs: 500 entries take some 2 ms. */
const ENTRIES_AT_ONCE = 500;
const PARTS_AT_ONCE = 4;
const SCAN_COUNT = 1_000;

const asDone = parser(Type.Literal(1));
const asCount = parser(Type.Integer());
const asTaken = parser(Type.Array(Type.String()));
const asTotals = parser(Type.Tuple([Type.Integer(), Type.Integer()]));
const asRepair = parser(Type.Array(Type.Union([Type.Integer(), Type.String()]), { minItems: 2 }));

/** Of a transaction, not of a session: behind a pooler, nobody has a session for long. */
const LOCK = 'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS ours';
/** PostgreSQL ends a transaction that is idle for ten seconds: one whose instance hangs does not keep the lock. */
const SHOW_LIFE_EVERY_MS = 2_000;

/** What differed between a board and rows of PostgreSQL. */
interface Differences {
  /** How many entries were repaired. */
  drift: number;
  /** How many rows have a score that is not on the board because of a tombstone. */
  heldBack: number;
  /** Entries of the board, by user, that are newer than the rows. */
  readonly newer: Map<string, string>;
}

/** What a comparison has found. */
export interface Reconciled {
  /** How many entries differed: all of them, if the board was not in Redis. */
  readonly drift: number;
  /** Whether the board was built because Redis did not have it. */
  readonly isBuilt: boolean;
}

/** Makes boards in Redis agree with PostgreSQL. */
export class Reconciler {
  readonly #pool: pg.Pool;
  readonly #redis: BoardRedis;
  readonly #closed = new AbortController();

  constructor(pool: pg.Pool, redis: BoardRedis) {
    this.#pool = pool;
    this.#redis = redis;
  }

  /** Compares a board entry by entry and repairs it, or builds it if Redis has lost it. Null if another instance is at it. */
  async reconcile(board: Board): Promise<Reconciled | null> {
    return await transact(this.#pool, async (client) => {
      const { rows } = await client.query<{ ours: boolean }>(LOCK, [RECONCILE_LOCK, board.key.text]);
      if (rows[0]?.ours !== true) return null;
      const showLife = async () => void (await client.query('SELECT'));
      // A connection that is lost shows when the transaction ends.
      const life = new Loop(showLife, { everyMs: SHOW_LIFE_EVERY_MS, onError: () => {} }).start();
      try {
        return await this.#compareOrBuild(board);
      } finally {
        await life.stop();
      }
    });
  }

  /** A comparison or build under way ends at its next page, with an error. */
  close(): void {
    this.#closed.abort();
  }

  async *#untilClosed<T>(pages: AsyncGenerator<T>): AsyncGenerator<T> {
    for await (const page of pages) {
      this.#closed.signal.throwIfAborted();
      yield page;
    }
  }

  async #compareOrBuild(board: Board): Promise<Reconciled> {
    // The holder of the lock is alone: no build is under way that these changes could wait for.
    await inTime(this.#redis.client.unlink(keysOf(board.key).changes));
    try {
      return { drift: await this.#compare(board), isBuilt: false };
    } catch (error) {
      if (!isLost(error)) throw error;
      return { drift: await this.build(board), isBuilt: true };
    }
  }

  /** Repairs the entries that differ from these committed ones, unless the board has a newer version. */
  async repair(board: Board, changes: readonly EntryChange[]): Promise<Differences> {
    const keys = keysOf(board.key);
    const found: Differences = { drift: 0, heldBack: 0, newer: new Map() };
    await inParts(changes, async (part) => {
      const args = part.flatMap((change) => scriptArguments(board, change));
      const answer = await this.#redis.scripts.repair(
        [...keys.board, keys.tombstones, keys.changes],
        [...this.#redis.messageOf(board.key), ...args],
      );
      const [drift, heldBack, ...newer] = asRepair(answer);
      found.drift += Number(drift);
      found.heldBack += Number(heldBack);
      for (let i = 0; i < newer.length; i += 2) found.newer.set(String(newer[i]), String(newer[i + 1]));
    });
    return found;
  }

  async #compare(board: Board): Promise<number> {
    let matched = 0;
    let drift = 0;
    for await (const rows of this.#untilClosed(entriesByUser(this.#pool, board))) {
      const found = await this.repair(board, rows);
      const removed = await this.#removeFalse(board, found.newer);
      drift += found.drift + removed;
      // Some that were removed are there again, as PostgreSQL has them. A search for strangers in vain does no harm.
      matched += rows.filter(hasScore).length - found.heldBack - removed;
    }
    // More entries than that are strangers, or have just arrived.
    if ((await this.#totals(board)).entries > matched) drift += await this.#removeStrangers(board);
    const { ranked, entries } = await this.#totals(board);
    if (ranked === entries) return drift;
    // The sorted set has members without an entry.
    await this.build(board);
    return drift + Math.abs(ranked - entries);
  }

  async #totals({ key }: Board): Promise<{ ranked: number; entries: number }> {
    const [ranked, entries] = asTotals(await this.#redis.scripts.totals(keysOf(key).board, []));
    return { ranked, entries };
  }

  async #removeStrangers(board: Board): Promise<number> {
    const [, entries = ''] = keysOf(board.key).board;
    let removed = 0;
    let cursor = '0';
    do {
      this.#closed.signal.throwIfAborted();
      const [next, fields] = await this.#redis.client.hscan(entries, cursor, 'COUNT', SCAN_COUNT);
      const found = new Map<string, string>();
      for (let i = 0; i < fields.length; i += 2) found.set(fields[i] ?? '', fields[i + 1] ?? '');
      for (const user of found.keys()) if (user.startsWith('~')) found.delete(user);
      removed += await this.#removeFalse(board, found);
      cursor = next;
    } while (cursor !== '0');
    return removed;
  }

  /**
   * Removes those of the entries that PostgreSQL does not have, or has older: an entry in Redis was in PostgreSQL before, so it
   * is false, or PostgreSQL was set back. @returns how many
   */
  async #removeFalse(board: Board, found: ReadonlyMap<string, string>): Promise<number> {
    if (found.size === 0) return 0;
    const rows = await entriesOf(this.#pool, board, [...found.keys()]);
    const versions = new Map(rows.filter(hasScore).map(({ userId, version }) => [userId, version]));
    const wrong = new Map(
      [...found].filter(([user, entry]) => !(Number(entry.slice(16)) <= (versions.get(user) ?? -1))),
    );
    if (wrong.size === 0) return 0;
    const args = [...this.#redis.messageOf(board.key), ...[...wrong].flat()];
    const removed = asCount(await this.#redis.scripts.remove(keysOf(board.key).board, args));
    const kept = rows.filter(({ userId }) => wrong.has(userId));
    if (kept.length > 0) await this.repair(board, kept);
    return removed;
  }

  /** Builds the board beside the old one, if that is still read, and then replaces it. @returns how many entries it has */
  async build(board: Board): Promise<number> {
    const { scripts, client } = this.#redis;
    const keys = keysOf(board.key);
    const epoch = newEpoch();
    const next = keys.next(epoch);
    // From here on every change waits for the next board, so what commits while rows are read is not missed.
    await scripts.beginBuild([...next, keys.changes, keys.tombstones, ...keys.board], [epoch]);
    try {
      const entries = await this.#load(board, next, epoch);
      const args = [...this.#redis.messageOf(board.key), epoch];
      asDone(await scripts.promote([...keys.board, ...next, keys.tombstones, keys.changes], args));
      return entries;
    } catch (error) {
      // They would expire, but later.
      inTime(client.unlink(...next)).catch(() => {});
      throw error;
    }
  }

  /** All rows, then the changes that wait, until so few wait that `promote` can take them. */
  async #load(board: Board, [rank, entries]: [string, string], epoch: string): Promise<number> {
    const { scripts, client } = this.#redis;
    const { tombstones, changes } = keysOf(board.key);
    const setAll = (args: readonly (string | number)[][]) =>
      inParts(args, async (part) => {
        await scripts.set([rank, entries, tombstones], part.flat());
      });
    let loaded = 0;
    for await (const rows of ahead(this.#untilClosed(entriesInOrder(this.#pool, board)))) {
      await inParts(rows.filter(hasScore), async (part) => {
        const members: (string | number)[] = [];
        const fields: string[] = [];
        for (const { userId, score, achievedAt, version } of part) {
          const time = timeText(achievedAt);
          members.push(sortKey(board.sort, score), time + userId);
          fields.push(userId, `${time}:${version}`);
        }
        await Promise.all([inTime(client.zadd(rank, ...members)), inTime(client.hset(entries, ...fields))]);
        loaded += part.length;
      });
      const removed = rows.filter((row) => !hasScore(row));
      await setAll(removed.map((change) => scriptArguments(board, change)));
    }
    while ((await inTime(client.hlen(changes))) > ENTRIES_AT_ONCE) {
      await setAll(waited(asTaken(await scripts.takeChanges([changes], [epoch]))));
    }
    return loaded;
  }
}

/** The changes that waited, from user and text in turn, as the scripts take them. */
function waited(fields: readonly string[]): string[][] {
  const args: string[][] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const [version, achieved, sorted] = fields[i + 1]?.split(':') ?? [];
    if (version === undefined || achieved === undefined || sorted === undefined) continue;
    args.push([fields[i] ?? '', sorted, achieved, version]);
  }
  return args;
}

/** The same items, each requested while the one before it is processed. */
async function* ahead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = items.next();
      // A failure is thrown when the item is awaited.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await items.return(undefined);
  }
}

/** Does the work in parts, some of them at a time. */
async function inParts<T>(items: readonly T[], work: (part: readonly T[]) => Promise<void>): Promise<void> {
  const parts = Array.from({ length: Math.ceil(items.length / ENTRIES_AT_ONCE) }, (_, i) =>
    items.slice(i * ENTRIES_AT_ONCE, (i + 1) * ENTRIES_AT_ONCE),
  );
  const limit = pLimit({ concurrency: PARTS_AT_ONCE, rejectOnClear: true });
  try {
    await Promise.all(parts.map((part) => limit(() => work(part))));
  } finally {
    // After a failure no further part is begun.
    limit.clearQueue();
  }
}
