import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type Redis } from 'ioredis';
import pLimit from 'p-limit';
import { type BoardKey, parseBoardKey } from '../board-key.js';
import { Loop } from '../loop.js';
import type { RedisClient } from '../redis/connection.js';
import { inTime } from '../redis/scripts.js';
import { newEpoch } from './epoch.js';
import { type Board, NotReady } from './projection.js';
import type { Reconciler } from './reconciler.js';
import {
  allKeysOf,
  BOARDS_CHANNEL,
  BoardLost,
  type BoardRedis,
  isWrongType,
  keysOf,
  NO_CHANGE,
  RedisProjection,
} from './redis-projection.js';

/** How often Redis is asked whether it is still the same. */
const CHECK_EVERY_MS = 500;
/** Its value changes when Redis has lost its data, whatever was in it. */
const SENTINEL = 'scoreboard:sentinel';
/** A board that this instance has changed is looked at for so long, in milliseconds: whether Redis still has the change. */
const LOOKED_AT_MS = 5_000;
const LOOKED_AT_ONCE = 100;
/** Boards that are compared or built at a time: each takes two connections to PostgreSQL. */
const AT_ONCE = 2;
/** How long another instance that is comparing the same board is waited for, in milliseconds. */
const YIELD_MS = 500;
/** A Redis that has restarted from its file may lack its last seconds: more versions than it can have lost. */
const LOST_VERSIONS = 1_000_000;

interface RedisBoardsOptions {
  readonly redis: BoardRedis;
  /** A connection of its own, which is only subscribed. */
  readonly subscriber: RedisClient;
  readonly reconciler: Reconciler;
  /** How often every open board is compared with PostgreSQL, in milliseconds. */
  readonly syncIntervalMs: number;
  /** The projections that are open. */
  readonly open: () => Iterable<RedisProjection>;
  /** The projection of a board, if it is open. */
  readonly find: (board: BoardKey) => RedisProjection | undefined;
  /** Changes of a board, or of all, may have been missed: it is to be marked stale and loaded. */
  readonly reload: (board: BoardKey) => void;
  readonly reloadAll: () => void;
  /** Another instance has changed a board, or all boards may have changed. */
  readonly onChange: (board: BoardKey) => void;
  /** The writer of a change has applied it. */
  readonly onApplied: (board: BoardKey, changeId: string) => void;
  /** A board that should have agreed with PostgreSQL was compared; `drift` entries differed. */
  readonly onReconciled: (board: BoardKey, drift: number, ms: number) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Looks after the boards in Redis. It receives from other instances which boards they have changed, notices when Redis has
 * lost its data, compares boards with PostgreSQL before they are read, and compares all open ones now and then.
 *
 * A verification of a board is *pending* where changes may have bypassed Redis: when it is opened, after a connection was
 * lost (Redis may come back with an old file), and when a write failed. It is not read until it has been compared.
 *
 * At rest this costs one command each half second, and each sync interval one for each board that is open. A board that is
 * not used is closed. A board that has fallen back is found out by the next call; the writer of a change, which may be the only
 * one to know of it, also looks after the board for five seconds.
 */
export class RedisBoards {
  readonly #options: RedisBoardsOptions;
  readonly #verifying = new Map<RedisProjection, Promise<void>>();
  readonly #limit = pLimit(AT_ONCE);
  readonly #check: Loop;
  readonly #sync: Loop;
  /** What the sentinel was when Redis was last asked. */
  #sentinel: string | undefined;
  readonly #closed = new AbortController();

  constructor(options: RedisBoardsOptions) {
    this.#options = options;
    const { redis, subscriber, syncIntervalMs } = options;
    this.#watch(redis.client);
    // Any number of boards may wait for other instances.
    setMaxListeners(0, this.#closed.signal);
    const subscribe = () => void subscriber.subscribe(BOARDS_CHANNEL).catch(options.onError);
    // The connection is often there before this.
    if (subscriber.status === 'ready') subscribe();
    subscriber.on('ready', () => {
      subscribe();
      // What was published while nobody listened was missed.
      for (const { board } of options.open()) options.onChange(board.key);
    });
    subscriber.on('message', (_channel: string, message: string) => this.#receive(message));
    this.#check = new Loop(() => this.#look(), {
      everyMs: CHECK_EVERY_MS,
      firstBackoffMs: CHECK_EVERY_MS,
      maxBackoffMs: CHECK_EVERY_MS,
      // The connection reports that it is lost; each check that fails meanwhile is no news.
      onError: () => {},
    }).start(0);
    this.#sync = new Loop((signal) => this.#reconcileAll(signal), {
      everyMs: syncIntervalMs,
      onError: options.onError,
    }).start();
  }

  /** A projection of the board, which is to be loaded. */
  project(board: Board): RedisProjection {
    const { redis, reload } = this.#options;
    const projection = new RedisProjection(
      board,
      redis,
      (projection, signal) => this.#verify(projection, signal),
      () => reload(board.key),
    );
    projection.markStale();
    return projection;
  }

  /** Whether Redis answers, and has every open board that it had before. A cold board is not missed. */
  async isReady(): Promise<boolean> {
    await this.#compareSentinel();
    return [...this.#options.open()].every(({ isReady, wasReady }) => isReady || !wasReady);
  }

  /** Removes what Redis has of boards that were deleted. */
  async remove(boards: readonly BoardKey[]): Promise<void> {
    for (const board of boards) await inTime(this.#options.redis.client.unlink(allKeysOf(board)));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#options.reconciler.close();
    this.#options.subscriber.disconnect();
    await Promise.allSettled([this.#check.stop(), this.#sync.stop(), ...this.#verifying.values()]);
  }

  /** After a connection was lost, changes may have been missed, and Redis may have lost data. */
  #watch(client: RedisClient): void {
    const { reloadAll } = this.#options;
    // The client closes after each failed try to connect as well: only a connection that worked can have missed something.
    let hasWorked = client.status === 'ready';
    client.on('ready', () => {
      hasWorked = true;
    });
    client.on('close', () => {
      if (hasWorked) reloadAll();
      hasWorked = false;
    });
    // A cluster client reconnects to a node that is away at each command.
    const connected = new WeakSet<Redis>();
    const watchNode = (node: Redis) => {
      if (node.status === 'ready') connected.add(node);
      else node.once('ready', () => connected.add(node));
    };
    if (client instanceof Cluster) client.nodes().forEach(watchNode);
    client.on('+node', watchNode);
    client.on('-node', (node: Redis) => {
      if (connected.has(node)) reloadAll();
    });
  }

  #receive(message: string): void {
    const [text = '', writer, changeId, epoch, version] = message.split(' ');
    const board = parseBoardKey(text);
    if (board === null || writer === this.#options.redis.instance) return;
    if (epoch !== undefined) this.#options.find(board)?.moved({ epoch, version: Number(version) });
    if (changeId !== undefined && changeId !== NO_CHANGE) this.#options.onApplied(board, changeId);
    this.#options.onChange(board);
  }

  async #look(): Promise<void> {
    await this.#compareSentinel();
    const changed: RedisProjection[] = [];
    for (const projection of this.#options.open())
      if (projection.hasChangedWithin(LOOKED_AT_MS)) changed.push(projection);
    await Promise.all(changed.slice(-LOOKED_AT_ONCE).map((projection) => projection.checkPosition()));
  }

  async #compareSentinel(): Promise<void> {
    const { client } = this.#options.redis;
    let sentinel = await inTime(client.get(SENTINEL)).catch(async (error: unknown) => {
      if (!isWrongType(error)) throw error;
      await inTime(client.unlink(SENTINEL));
      return null;
    });
    if (sentinel === null) {
      await inTime(client.set(SENTINEL, newEpoch(), 'NX'));
      sentinel = await inTime(client.get(SENTINEL));
    }
    if (sentinel === null) throw new Error('Redis does not keep what is written');
    const isOther = this.#sentinel !== undefined && this.#sentinel !== sentinel;
    this.#sentinel = sentinel;
    if (isOther) this.#options.reloadAll();
  }

  /** Compares every open board with PostgreSQL, one after the other. Of all instances one does so in an interval. */
  async #reconcileAll(signal: AbortSignal): Promise<void> {
    const { redis, syncIntervalMs, onError } = this.#options;
    for (const projection of this.#options.open()) {
      if (signal.aborted) return;
      try {
        const { reconciled } = keysOf(projection.board.key);
        const ttl = Math.ceil(syncIntervalMs * 0.9);
        const isOurTurn = (await inTime(redis.client.set(reconciled, 1, 'PX', ttl, 'NX'))) !== null;
        // Something else in its place would never expire.
        if (!isOurTurn && (await inTime(redis.client.pttl(reconciled))) === -1)
          await inTime(redis.client.unlink(reconciled));
        // Beside the verifications that reads wait for, not in their queue.
        if (isOurTurn) await this.#reconcile(projection);
        else projection.drift = 0;
      } catch (error) {
        onError(error);
      }
    }
  }

  /** Compares the board until no verification is pending. Joins a comparison under way. */
  #verify(projection: RedisProjection, signal?: AbortSignal): Promise<void> {
    const running = this.#verifying.get(projection);
    if (running !== undefined) return running;
    const verifying = this.#untilVerified(projection, signal).finally(() =>
      this.#verifying.delete(projection),
    );
    this.#verifying.set(projection, verifying);
    return verifying;
  }

  async #untilVerified(projection: RedisProjection, closed?: AbortSignal): Promise<void> {
    const { redis } = this.#options;
    const { signal } = this.#closed;
    while (!projection.isReady && !signal.aborted && closed?.aborted !== true) {
      if (redis.client.status !== 'ready') throw new NotReady('Redis is not connected');
      const isDone = await this.#limit(() => this.#reconcile(projection));
      if (!isDone) await delay(YIELD_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** False if another instance is comparing the board. */
  async #reconcile(projection: RedisProjection): Promise<boolean> {
    if (this.#closed.signal.aborted) return false;
    const { reconciler, onReconciled, onChange } = this.#options;
    const { board, pendingVerifications, wasReady } = projection;
    const start = performance.now();
    try {
      const reconciled = await reconciler.reconcile(board);
      if (reconciled === null) return false;
      const { drift, isBuilt } = reconciled;
      // A cold board that is built for the first time has not drifted.
      if (wasReady || !isBuilt) {
        projection.drift = drift;
        onReconciled(board.key, drift, performance.now() - start);
      }
      if (pendingVerifications > 0) await projection.skipVersions(isBuilt ? 0 : LOST_VERSIONS);
    } catch (error) {
      if (this.#closed.signal.aborted) return false;
      throw error instanceof BoardLost ? new NotReady('The board was lost again', { cause: error }) : error;
    }
    // Verifications that became pending meanwhile need another comparison.
    projection.pendingVerifications -= pendingVerifications;
    projection.wasReady = true;
    onChange(board.key);
    return true;
  }
}
