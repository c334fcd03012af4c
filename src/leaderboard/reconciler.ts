import { Type } from '@sinclair/typebox';
import type pg from 'pg';
import { concurrently } from '../concurrently.js';
import type { RedisClient } from '../redis/connection.js';
import { inTime, Script } from '../redis/script.js';
import { entriesByUser, entriesInOrder, entriesOf } from './entry-pages.js';
import { newEpoch } from './epoch.js';
import { type BoardKey, hasScore, type StandingChange, sortKey } from './leaderboard.js';
import {
  BOARDS_CHANNEL,
  BoardLost,
  keysOf,
  keysOfNext,
  parser,
  scriptArguments,
  timeText,
} from './redis-leaderboard.js';
import * as scripts from './redis-scripts.js';

/** First key of the advisory lock that lets one instance reconcile a board at a time; the second is the board. */
const RECONCILE_LOCK = 7_228_502;
/** A command or script holds up all of Redis while it runs: 500 entries take some 2 ms. */
const ENTRIES_AT_ONCE = 500;
const PARTS_UNDER_WAY = 4;
const SCAN_COUNT = 1_000;

const begin = new Script(scripts.BEGIN);
const set = new Script(scripts.SET);
const take = new Script(scripts.TAKE);
const promote = new Script(scripts.PROMOTE);
const repair = new Script(scripts.REPAIR);
const remove = new Script(scripts.REMOVE);
const totals = new Script(scripts.TOTALS);

const asDone = parser(Type.Literal(1));
const asCount = parser(Type.Integer());
const asTaken = parser(Type.Array(Type.String()));
const asTotals = parser(Type.Tuple([Type.Integer(), Type.Integer()]));
const asRepair = parser(Type.Array(Type.Union([Type.Integer(), Type.String()]), { minItems: 2 }));

const LOCK = 'SELECT pg_try_advisory_lock($1, hashtext($2)) AS ours';
const UNLOCK = 'SELECT pg_advisory_unlock($1, hashtext($2))';

/** What differed between a board and rows of PostgreSQL. */
interface Differences {
  /** How many entries were set right. */
  drift: number;
  /** How many rows have a score that is not on the board: late news must not bring back who has left it. */
  heldBack: number;
  /** Entries of the board, by user, that are newer than the rows. */
  readonly newer: Map<string, string>;
}

/** Makes boards in Redis agree with PostgreSQL. */
export class Reconciler {
  readonly #pool: pg.Pool;
  readonly #client: RedisClient;
  readonly #closed = new AbortController();

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

  /** Whatever is under way ends at its next page, with an error. */
  close(): void {
    this.#closed.abort();
  }

  async *#untilClosed<T>(pages: AsyncGenerator<T>): AsyncGenerator<T> {
    for await (const page of pages) {
      this.#closed.signal.throwIfAborted();
      yield page;
    }
  }

  async #compareOrBuild(key: BoardKey): Promise<number> {
    // Whoever holds the lock is alone: no build goes on that these could wait for.
    await inTime(this.#client.unlink(keysOf(key).changes));
    try {
      return await this.#compare(key);
    } catch (error) {
      if (!(error instanceof BoardLost)) throw error;
      return await this.build(key);
    }
  }

  /** Sets right the entries that are older than these, which are committed, or differ from them. */
  async repair(key: BoardKey, standings: readonly StandingChange[]): Promise<Differences> {
    const { board, gone, changes } = keysOf(key);
    const found: Differences = { drift: 0, heldBack: 0, newer: new Map() };
    await inParts(standings, async (part) => {
      const args = part.flatMap((standing) => scriptArguments(key, standing));
      const [drift, heldBack, ...newer] = asRepair(
        await repair.run(this.#client, [...board, gone, changes], [BOARDS_CHANNEL, key.id, ...args]),
      );
      found.drift += Number(drift);
      found.heldBack += Number(heldBack);
      for (let i = 0; i < newer.length; i += 2) found.newer.set(String(newer[i]), String(newer[i + 1]));
    });
    return found;
  }

  async #compare(key: BoardKey): Promise<number> {
    let matched = 0;
    let drift = 0;
    for await (const standings of this.#untilClosed(entriesByUser(this.#pool, key))) {
      const found = await this.repair(key, standings);
      const removed = await this.#removeFalse(key, found.newer);
      drift += found.drift + removed;
      // Some that were removed are there again, as PostgreSQL has them. To look for strangers in vain does no harm.
      matched += standings.filter(hasScore).length - found.heldBack - removed;
    }
    // More entries than that are strangers, or have just come.
    if ((await this.#totals(key)).entries > matched) drift += await this.#removeStrangers(key);
    const { ranked, entries } = await this.#totals(key);
    if (ranked === entries) return drift;
    // The sorted set has members that no entry tells of.
    await this.build(key);
    return drift + Math.abs(ranked - entries);
  }

  async #totals(key: BoardKey): Promise<{ ranked: number; entries: number }> {
    const [ranked, entries] = asTotals(await totals.run(this.#client, keysOf(key).board, []));
    return { ranked, entries };
  }

  async #removeStrangers(key: BoardKey): Promise<number> {
    const [, entries = ''] = keysOf(key).board;
    let removed = 0;
    let cursor = '0';
    do {
      this.#closed.signal.throwIfAborted();
      const [next, fields] = await this.#client.hscan(entries, cursor, 'COUNT', SCAN_COUNT);
      const found = new Map<string, string>();
      for (let i = 0; i < fields.length; i += 2) found.set(fields[i] ?? '', fields[i + 1] ?? '');
      for (const user of found.keys()) if (user.startsWith('~')) found.delete(user);
      removed += await this.#removeFalse(key, found);
      cursor = next;
    } while (cursor !== '0');
    return removed;
  }

  /**
   * Takes away those of the entries that PostgreSQL does not have, or has older: what Redis has was in PostgreSQL before, so
   * they are false, or PostgreSQL was set back. @returns how many
   */
  async #removeFalse(key: BoardKey, found: ReadonlyMap<string, string>): Promise<number> {
    if (found.size === 0) return 0;
    const rows = await entriesOf(this.#pool, key, [...found.keys()]);
    const versions = new Map(rows.filter(hasScore).map(({ userId, version }) => [userId, version]));
    const wrong = new Map(
      [...found].filter(([user, entry]) => !(Number(entry.slice(16)) <= (versions.get(user) ?? -1))),
    );
    if (wrong.size === 0) return 0;
    const args = [BOARDS_CHANNEL, key.id, ...[...wrong].flat()];
    const removed = asCount(await remove.run(this.#client, keysOf(key).board, args));
    const kept = rows.filter(({ userId }) => wrong.has(userId));
    if (kept.length > 0) await this.repair(key, kept);
    return removed;
  }

  /** Builds the board beside the old one, if there is any, and puts it in its place. @returns how many entries it has */
  async build(key: BoardKey): Promise<number> {
    const { board, gone, changes } = keysOf(key);
    const epoch = newEpoch();
    const next = keysOfNext(key, epoch);
    // From here on every change waits for the next board, so what commits while rows are read is not missed.
    await begin.run(this.#client, [...next, changes], [epoch]);
    try {
      const entries = await this.#load(key, next, epoch);
      const args = [BOARDS_CHANNEL, key.id, epoch];
      asDone(await promote.run(this.#client, [...board, ...next, gone, changes], args));
      return entries;
    } catch (error) {
      // Else they would end by themselves, but later.
      inTime(this.#client.unlink(...next)).catch(() => {});
      throw error;
    }
  }

  /** All rows, then what has waited meanwhile, until so little waits that it can be left for the end. */
  async #load(key: BoardKey, [rank, entries]: [string, string], epoch: string): Promise<number> {
    const { gone, changes } = keysOf(key);
    const setAll = (args: readonly (string | number)[][]) =>
      inParts(args, async (part) => {
        await set.run(this.#client, [rank, entries, gone], part.flat());
      });
    let loaded = 0;
    for await (const standings of ahead(this.#untilClosed(entriesInOrder(this.#pool, key)))) {
      await inParts(standings.filter(hasScore), async (part) => {
        const members: (string | number)[] = [];
        const fields: string[] = [];
        for (const { userId, score, achievedAt, version } of part) {
          const time = timeText(achievedAt);
          members.push(sortKey(key, score), time + userId);
          fields.push(userId, `${time}:${version}`);
        }
        await Promise.all([
          inTime(this.#client.zadd(rank, ...members)),
          inTime(this.#client.hset(entries, ...fields)),
        ]);
        loaded += part.length;
      });
      const removed = standings.filter((standing) => !hasScore(standing));
      await setAll(removed.map((standing) => scriptArguments(key, standing)));
    }
    while ((await inTime(this.#client.hlen(changes))) > ENTRIES_AT_ONCE) {
      await setAll(waited(asTaken(await take.run(this.#client, [changes], [epoch]))));
    }
    return loaded;
  }
}

/** What has waited, from user and text in turn, as the scripts take it. */
function waited(fields: readonly string[]): string[][] {
  const args: string[][] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const [version, achieved, sorted] = fields[i + 1]?.split(':') ?? [];
    if (version === undefined || achieved === undefined || sorted === undefined) continue;
    args.push([fields[i] ?? '', sorted, achieved, version]);
  }
  return args;
}

/** The same, each asked for while the one before it is dealt with. */
async function* ahead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = items.next();
      // If it fails, that is told when its turn comes.
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
  await concurrently(parts, PARTS_UNDER_WAY, work);
}
