import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LimitFunction } from 'p-limit';
import type { BoardKey } from '../board-key.js';
import { isNotFound } from '../errors.js';
import type { BoardState } from '../leaderboard/board-state.js';
import { Loop } from '../loop.js';
import type { BoardSource } from './board-source.js';
import { BoardFrames, entryJson, RankFrames } from './frames.js';
import { eachStream, type Shown, type Stream } from './stream.js';
import { type Comparable, Topic } from './topic.js';

/** What one stream asked to see of a board. */
export interface View {
  readonly limit: number;
  readonly userId?: string | undefined;
}

/** The last answer of the source: the state, its entries as JSON, and the largest limit that it can serve. */
interface Top {
  readonly state: BoardState;
  readonly entries: readonly string[];
  readonly reach: number;
}

const RANKS_A_TURN = 32;
/** Upper bound on callers waiting in `shown()`. Reached only while the source fails. */
const MAX_WAITING = 8_192;
const BACKOFF = { firstBackoffMs: 50, maxBackoffMs: 1_000 };

/**
 * A board that streams watch, from its first stream to its last.
 *
 * Each flush reads the *top* once, at the largest limit in use, cuts it for the smaller ones, and makes the *ranks* of all
 * users followed here due. Those are read a few at a time, so that neither the event loop nor a database is swamped.
 * Neither job asks the same question twice at a time, so no answer overtakes another. Changes that come faster than the flush
 * interval, which is counted from flush to flush, are coalesced.
 */
export class LiveBoard {
  readonly key: BoardKey;
  readonly #source: BoardSource;
  readonly #tops = new Map<number, Topic<BoardFrames>>();
  readonly #ranks = new Map<string, Topic<RankFrames>>();
  readonly #dueUsers = new Set<string>();
  readonly #topFlushes: Loop;
  readonly #rankFlushes: Loop;
  readonly #rankReads: LimitFunction;
  #top: Top | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(
    key: BoardKey,
    source: BoardSource,
    flushIntervalMs: number,
    rankReads: LimitFunction,
    onError: (error: unknown) => void,
  ) {
    this.key = key;
    this.#rankReads = rankReads;
    this.#source = source;
    this.#topFlushes = new Loop(() => this.#flushTop(), { ...BACKOFF, restMs: flushIntervalMs, onError });
    // Flushes of the top make ranks due; users of new streams need not wait for one.
    this.#rankFlushes = new Loop(() => this.#flushRanks(), { ...BACKOFF, onError });
  }

  get isDeserted(): boolean {
    return this.#tops.size === 0;
  }

  changed(): void {
    this.#topFlushes.request();
  }

  /**
   * Resolves when a flush that begins after this call has written to the streams, or when the last of them has left.
   * @throws Error if too many callers wait for that already
   */
  async shown(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) throw new Error('Too many wait for the next frame');
    this.changed();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Opens the stream. Asks the source only for what no other stream shows already. */
  join(stream: Stream, { limit, userId }: View): void {
    const top = joinTopic(this.#tops, limit, stream);
    if (isNew(top) && !this.#cut(limit, top)) this.changed();
    const topics: Shown[] = [top];
    if (userId !== undefined) {
      const rank = joinTopic(this.#ranks, userId, stream);
      if (isNew(rank)) this.#makeDue([userId]);
      topics.push(rank);
    }
    stream.open(topics);
  }

  leave(stream: Stream, { limit, userId }: View): void {
    leaveTopic(this.#tops, limit, stream);
    if (userId !== undefined) leaveTopic(this.#ranks, userId, stream);
    if (this.isDeserted) this.#resolve(this.#waiting.length);
  }

  /** Ends all streams, each with its own time to reconnect. */
  close(): void {
    for (const { streams } of [...this.#tops.values()]) for (const stream of [...streams]) stream.close();
  }

  async #flushTop(): Promise<void> {
    if (this.isDeserted) return;
    const waiting = this.#waiting.length;
    const limit = Math.max(...this.#tops.keys());
    const state = await this.#read(limit);
    if (state === null) return;
    if (this.#top !== null && isOlder(state, this.#top.state)) {
      // It lacks a change that is shown already.
      this.changed();
      return;
    }
    const reach = state.items.length < limit ? Number.POSITIVE_INFINITY : state.items.length;
    const isChange = this.#top !== null && !isSame(state, this.#top.state);
    this.#top = { state, entries: state.items.map(entryJson), reach };
    const changed = [...this.#tops].filter(([limit, topic]) => this.#cut(limit, topic));
    // Snapshots are no events, and a read that nothing came of is none either: the next change need not wait for them.
    if (!isChange && changed.every(([, { revision }]) => revision === 1)) this.#topFlushes.skipRest();
    this.#makeDue(this.#ranks.keys());
    for (const [, topic] of changed) await eachStream(topic.streams, catchUp);
    this.#resolve(waiting);
  }

  /** Null if the leaderboard was deleted: then its streams end, and their clients get a 404 when they reconnect. */
  async #read(limit: number): Promise<BoardState | null> {
    try {
      return await this.#source.page(this.key, limit);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.close();
      return null;
    }
  }

  #resolve(waiting: number): void {
    for (const resolve of this.#waiting.splice(0, waiting)) resolve();
  }

  /** Shows the last answer to a topic. Returns whether its streams must be written to. */
  #cut(limit: number, topic: Topic<BoardFrames>): boolean {
    if (this.#top === null || limit > this.#top.reach) return false;
    const { state, entries } = this.#top;
    return topic.show(new BoardFrames(state, entries.slice(0, limit).join(',')));
  }

  #makeDue(userIds: Iterable<string>): void {
    for (const userId of userIds) this.#dueUsers.add(userId);
    if (this.#dueUsers.size > 0) this.#rankFlushes.request();
  }

  async #flushRanks(): Promise<void> {
    while (this.#dueUsers.size > 0) {
      const batch = [...take(this.#dueUsers, RANKS_A_TURN)];
      const results = await Promise.allSettled(
        batch.map((userId) => this.#rankReads(() => this.#readRank(userId))),
      );
      const failure = results.find((result) => result.status === 'rejected');
      if (failure) throw failure.reason;
      await nextTurn();
    }
  }

  async #readRank(userId: string): Promise<void> {
    const topic = this.#ranks.get(userId);
    if (topic === undefined) return;
    try {
      const rank = await this.#source.userRank(this.key, userId);
      if (topic.show(new RankFrames(userId, rank))) await eachStream(topic.streams, catchUp);
    } catch (error) {
      this.#dueUsers.add(userId);
      throw error;
    }
  }
}

function joinTopic<K, F extends Comparable<F>>(topics: Map<K, Topic<F>>, key: K, stream: Stream): Topic<F> {
  const topic = topics.get(key) ?? new Topic<F>();
  topics.set(key, topic);
  topic.streams.add(stream);
  return topic;
}

/** The source was asked for an older topic already. */
function isNew<F extends Comparable<F>>(topic: Topic<F>): boolean {
  return topic.streams.size === 1;
}

function leaveTopic<K, F extends Comparable<F>>(topics: Map<K, Topic<F>>, key: K, stream: Stream): void {
  const topic = topics.get(key);
  topic?.streams.delete(stream);
  if (topic?.streams.size === 0) topics.delete(key);
}

function* take<T>(from: Set<T>, count: number): Generator<T> {
  for (const item of from) {
    if (count-- === 0) return;
    from.delete(item);
    yield item;
  }
}

const catchUp = (stream: Stream): void => stream.catchUp();

function isSame(state: BoardState, as: BoardState): boolean {
  return state.epoch === as.epoch && state.version === as.version;
}

function isOlder(state: BoardState, than: BoardState): boolean {
  return state.epoch === than.epoch && state.version < than.version;
}
