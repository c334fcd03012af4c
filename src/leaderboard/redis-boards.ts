import { Cluster, type Redis } from 'ioredis';
import type { RedisClient } from '../redis/connection.js';
import type { BoardKey, StandingChange } from './leaderboard.js';
import type { Reconciler } from './reconciler.js';
import { BOARDS_CHANNEL, BoardLost, keysOf, RedisLeaderboard } from './redis-leaderboard.js';

/** How often each board is asked what it is at: finds lost boards, and changes whose message was lost. */
const CHECK_EVERY_MS = 500;
/** What another instance has committed it also puts into Redis, unless it dies in between: this long is waited for it. */
const GRACE_MS = 500;
const MAX_UNCONFIRMED = 50_000;
/** A file that Redis comes back with may lack its last seconds: more versions than can have been in them. */
const FORGOTTEN_VERSIONS = 1_000_000;

interface RedisBoardsOptions {
  readonly client: RedisClient;
  /** A connection of its own, which does nothing but listen. */
  readonly subscriber: RedisClient;
  readonly reconciler: Reconciler;
  /** How often every board is compared with PostgreSQL, in milliseconds. */
  readonly syncIntervalMs: number;
  /** A board has changed, or can be read again, or cannot any more. */
  readonly onChange: (leaderboardId: string) => void;
  readonly onReconciled: (leaderboardId: string, drift: number, ms: number) => void;
  /** Another instance has compared the board this time. */
  readonly onYielded: (leaderboardId: string) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Looks after the boards in Redis: hears when another instance has changed one, finds those that Redis has lost and has
 * them rebuilt at once, and has all of them compared with PostgreSQL now and then.
 *
 * A board is *in doubt* where changes may have passed Redis by: at the start, after a connection was lost (Redis may come
 * back with an old file), and when a change could not be confirmed. It is not read until it has been compared.
 */
export class RedisBoards {
  readonly #options: RedisBoardsOptions;
  readonly #boards = new Map<string, RedisLeaderboard>();
  /** What each board was at when it was last looked at; null if it could not be read. */
  readonly #seen = new Map<string, string | null>();
  readonly #reconciling = new Map<string, Promise<void>>();
  /** One after the other: together they would take every connection to PostgreSQL. */
  #last = Promise.resolve();
  readonly #timers: NodeJS.Timeout[] = [];
  #unconfirmed = 0;
  #checking = false;
  #closed = false;

  constructor(options: RedisBoardsOptions) {
    this.#options = options;
    const { client, subscriber, syncIntervalMs } = options;
    client.on('close', () => this.doubtAll());
    // A cluster makes a connection to a node that is away anew at each command: only one that worked can have missed something.
    const connected = new WeakSet<Redis>();
    const watch = (node: Redis) => {
      if (node.status === 'ready') connected.add(node);
      else node.once('ready', () => connected.add(node));
    };
    if (client instanceof Cluster) client.nodes().forEach(watch);
    client.on('+node', watch);
    client.on('-node', (node: Redis) => {
      if (connected.has(node)) this.doubtAll();
    });
    subscriber.on('ready', () => {
      subscriber.subscribe(BOARDS_CHANNEL).catch(options.onError);
      for (const id of this.#boards.keys()) options.onChange(id);
    });
    subscriber.on('message', (_channel: string, id: string) => options.onChange(id));
    this.#timers.push(setInterval(() => void this.#check(), CHECK_EVERY_MS).unref());
    this.#timers.push(setInterval(() => void this.#reconcileAll(), syncIntervalMs).unref());
  }

  /** The board in Redis, looked after from now on. */
  project(key: BoardKey): RedisLeaderboard {
    const board = new RedisLeaderboard(key, this.#options.client);
    this.#boards.set(key.id, board);
    board.doubts++;
    void this.recover(board);
    return board;
  }

  /** Whether every board can be read from Redis. */
  async ready(): Promise<boolean> {
    const boards = [...this.#boards.values()];
    const states = await Promise.allSettled(boards.map((board) => board.state()));
    return states.every(({ status }) => status === 'fulfilled') && boards.every(({ doubts }) => doubts === 0);
  }

  /** A board that could not be read is rebuilt, if Redis has lost it. */
  async recover(board: RedisLeaderboard): Promise<void> {
    const running = this.#reconciling.get(board.key.id);
    if (running !== undefined) return running;
    const run = this.#last
      .then(() => this.#reconcile(board))
      .finally(() => this.#reconciling.delete(board.key.id));
    this.#last = run;
    this.#reconciling.set(board.key.id, run);
    return run;
  }

  /** Takes note of what another instance has committed, and sees to it that it has arrived in Redis. */
  confirm(leaderboardId: string, season: number, standings: readonly StandingChange[]): void {
    const board = this.#boards.get(leaderboardId);
    // With so much to confirm Redis is away; what is missed then, the next comparison finds.
    if (board?.key.season !== season) return;
    if (this.#unconfirmed > MAX_UNCONFIRMED) {
      board.doubts++;
      return;
    }
    this.#unconfirmed += standings.length;
    setTimeout(async () => {
      this.#unconfirmed -= standings.length;
      try {
        const present = standings.filter(({ userId }) => !board.erased.has(userId));
        if (!this.#closed) await this.#options.reconciler.repair(board.key, present);
      } catch (error) {
        // Whoever rebuilds it may have read the row before. The first doubt is news, those that follow from it are not.
        if (board.doubts++ === 0 && !(error instanceof BoardLost)) this.#options.onError(error);
      }
    }, GRACE_MS).unref();
  }

  /** Changes may have been missed: every board is compared before it is read again. */
  doubtAll(): void {
    for (const board of this.#boards.values()) board.doubts++;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.reconciler.close();
    for (const timer of this.#timers) clearInterval(timer);
    this.#options.subscriber.disconnect();
    await Promise.allSettled(this.#reconciling.values());
  }

  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    await Promise.all([...this.#boards.values()].map((board) => this.#checkBoard(board)));
    this.#checking = false;
  }

  async #checkBoard(board: RedisLeaderboard): Promise<void> {
    const { id } = board.key;
    let state: string | null = null;
    try {
      state = await board.state();
      if (board.doubts > 0) void this.recover(board);
    } catch (error) {
      if (error instanceof BoardLost) void this.recover(board);
      else if (this.#seen.get(id) !== null) this.#options.onError(error);
    }
    // While Redis is away nobody says what changes: open streams look at PostgreSQL each time.
    if (board.doubts > 0 || state === null || state !== this.#seen.get(id)) this.#options.onChange(id);
    this.#seen.set(id, state);
  }

  /** Compares every board with PostgreSQL, one after the other; of all instances one does so in an interval. */
  async #reconcileAll(): Promise<void> {
    const { client, syncIntervalMs, onError } = this.#options;
    for (const board of this.#boards.values()) {
      try {
        const turn = await client.set(
          keysOf(board.key).compared,
          1,
          'PX',
          Math.ceil(syncIntervalMs * 0.9),
          'NX',
        );
        if (turn !== null) await this.recover(board);
        else this.#options.onYielded(board.key.id);
      } catch (error) {
        onError(error);
      }
    }
  }

  async #reconcile(board: RedisLeaderboard): Promise<void> {
    if (this.#closed) return;
    const { key, doubts } = board;
    const start = performance.now();
    try {
      const drift = await this.#options.reconciler.reconcile(key);
      if (drift === null) {
        this.#options.onYielded(key.id);
      } else {
        this.#options.onReconciled(key.id, drift, performance.now() - start);
        if (doubts > 0) await board.touch(FORGOTTEN_VERSIONS);
        // Those that came meanwhile are for the next comparison.
        board.doubts -= doubts;
      }
      this.#options.onChange(key.id);
    } catch (error) {
      if (!this.#closed) this.#options.onError(error);
    }
  }
}
