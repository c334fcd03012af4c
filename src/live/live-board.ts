import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LimitFunction } from 'p-limit';
import { type BoardKey, boardKey } from '../board-key.js';
import { isNotFound } from '../errors.js';
import type { BoardState } from '../leaderboard/board-state.js';
import type { LiveSeason } from '../leaderboard/seasons.js';
import { Loop } from '../loop.js';
import type { BoardSource } from './board-source.js';
import { BoardFrames, entryJson, NewsFrames, RankFrames } from './frames.js';
import { eachStream, type Shown, type Stream } from './stream.js';
import { type Comparable, Topic } from './topic.js';

/** What one stream asked to see of a board. */
export interface View {
  readonly limit: number;
  readonly userId?: string | undefined;
}

/** The last answer of the source: the state, its season, its entries as JSON, and the largest limit that it can serve. */
interface Top {
  readonly state: BoardState;
  readonly season: LiveSeason;
  readonly entries: readonly string[];
  readonly reach: number;
}

const RANKS_A_TURN = 32;
/** Entries of a `final` event. */
const WINNERS = 10;
/** Upper bound on callers waiting in `shown()`. Reached only while the source fails. */
const MAX_WAITING = 8_192;
const BACKOFF = { firstBackoffMs: 50, maxBackoffMs: 1_000 };

/**
 * A leaderboard that streams watch, from its first stream to its last, and from season to season.
 *
 * Each flush reads the *top* once, at the largest limit in use, cuts it for the smaller ones, and makes the *ranks* of all
 * users followed here due. Those are read a few at a time, so that neither the event loop nor a database is swamped.
 * Neither job asks the same question twice at a time, so no answer overtakes another. Changes that come faster than the flush
 * interval, which is counted from flush to flush, are coalesced. A flush first reads the season, if that may have changed.
 */
export class LiveBoard {
  /** Of the season that the streams show. */
  #key: BoardKey;
  /** Null when it may have changed. */
  #season: LiveSeason | null = null;
  readonly #seasons = new Topic(NewsFrames.none);
  readonly #finals = new Topic(NewsFrames.none);
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
    this.#key = key;
    this.#rankReads = rankReads;
    this.#source = source;
    this.#topFlushes = new Loop(() => this.#flushTop(), { ...BACKOFF, restMs: flushIntervalMs, onError });
    // Flushes of the top make ranks due; users of new streams need not wait for one.
    this.#rankFlushes = new Loop(() => this.#flushRanks(), { ...BACKOFF, onError });
  }

  get leaderboard(): string {
    return this.#key.leaderboard;
  }

  get season(): number {
    return this.#key.season;
  }

  get isDeserted(): boolean {
    return this.#tops.size === 0;
  }

  changed(): void {
    this.#topFlushes.request();
  }

  /** The season may be another one, or end at another time. */
  seasonChanged(): void {
    this.#season = null;
    this.changed();
  }

  /** The standings of a season are final. Only those of the last one that has ended are shown; no other may have begun yet. */
  async showFinal(season: number): Promise<void> {
    if (season < this.#key.season - 1) return;
    const key = boardKey(this.leaderboard, season);
    const standings = await this.#source.final(key, WINNERS);
    if (standings === null || !this.#finals.show(NewsFrames.final(key, standings))) return;
    await eachStream(this.#finals.streams, catchUp);
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

  /** Asks the source only for what no other stream shows already. @returns what the stream is to show, in this order */
  join(stream: Stream, { limit, userId }: View): Shown[] {
    const top = joinTopic(this.#tops, limit, stream);
    if (isNew(top) && !this.#cut(limit, top)) this.changed();
    this.#seasons.streams.add(stream);
    this.#finals.streams.add(stream);
    const topics: Shown[] = [this.#seasons, this.#finals, top];
    if (userId !== undefined) {
      const rank = joinTopic(this.#ranks, userId, stream);
      if (isNew(rank)) this.#makeDue([userId]);
      topics.push(rank);
    }
    return topics;
  }

  leave(stream: Stream, { limit, userId }: View): void {
    leaveTopic(this.#tops, limit, stream);
    this.#seasons.streams.delete(stream);
    this.#finals.streams.delete(stream);
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
    const read = await this.#read(limit);
    if (read === null) return;
    const { state, season } = read;
    if (this.#top !== null && isOlder(state, this.#top.state)) {
      // It lacks a change that is shown already.
      this.changed();
      return;
    }
    const reach = state.items.length < limit ? Number.POSITIVE_INFINITY : state.items.length;
    const isChange = this.#top !== null && !isSame(state, this.#top.state);
    this.#top = { state, season, entries: state.items.map(entryJson), reach };
    const changed = [...this.#tops].filter(([limit, topic]) => this.#cut(limit, topic));
    // Snapshots are no events, and a read that nothing came of is none either: the next change need not wait for them.
    if (!isChange && changed.every(([, { revision }]) => revision === 1)) this.#topFlushes.skipRest();
    this.#makeDue(this.#ranks.keys());
    for (const [, topic] of changed) await eachStream(topic.streams, catchUp);
    this.#resolve(waiting);
  }

  /** Null if the leaderboard was deleted: then its streams end, and their clients get a 404 when they reconnect. */
  async #read(limit: number): Promise<Pick<Top, 'state' | 'season'> | null> {
    try {
      const season = this.#season ?? (await this.#readSeason());
      return { season, state: await this.#source.page(this.#key, limit) };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.close();
      return null;
    }
  }

  /** A new season is told at once, before its entries are read. */
  async #readSeason(): Promise<LiveSeason> {
    const { leaderboard, season: previous } = this.#key;
    // Told meanwhile that it may have changed again, the next flush reads it again.
    const unread: LiveSeason = { season: previous, startsAt: null, endsAt: null, label: null, unit: null };
    this.#season = unread;
    try {
      const season = await this.#source.season(leaderboard);
      if (this.#season === unread) this.#season = season;
      if (season.season > previous) {
        this.#key = boardKey(leaderboard, season.season);
        this.#top = null;
        this.#seasons.show(NewsFrames.season(leaderboard, previous, season));
        await eachStream(this.#seasons.streams, catchUp);
      }
      return season;
    } catch (error) {
      this.#season = null;
      throw error;
    }
  }

  #resolve(waiting: number): void {
    for (const resolve of this.#waiting.splice(0, waiting)) resolve();
  }

  /** Shows the last answer to a topic. Returns whether its streams must be written to. */
  #cut(limit: number, topic: Topic<BoardFrames>): boolean {
    if (this.#top === null || limit > this.#top.reach) return false;
    const { state, season, entries } = this.#top;
    return topic.show(new BoardFrames(state, season, entries.slice(0, limit).join(',')));
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
    const key = this.#key;
    if (topic === undefined) return;
    try {
      const rank = await this.#source.userRank(key, userId);
      // The flush of the new season makes it due again.
      if (key !== this.#key) return;
      if (topic.show(new RankFrames(this.leaderboard, userId, rank)))
        await eachStream(topic.streams, catchUp);
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
