import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BoardSource, BoardState } from './board-source.js';
import { BoardFrames, entryJson, RankFrames } from './frames.js';
import { Pace } from './pace.js';
import { eachStream, type Shown, type Stream } from './stream.js';
import { type News, Topic } from './topic.js';

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

const STANDINGS_A_TURN = 32;
/** Who waits until a change is out; only as long as the source fails are they more than score in one tick. */
const MAX_WAITING = 8_192;

/**
 * A board that somebody watches, from its first stream to its last.
 *
 * Each tick reads the *top* once, at the largest limit in use, cuts it for the smaller ones, and makes the
 * *standings* of all users followed here due. Those are looked up a few at a time, so that neither the event loop
 * nor a database is swamped. Neither job asks the same question twice at a time, so no answer overtakes another.
 */
export class LiveBoard {
  readonly #tops = new Map<number, Topic<BoardFrames>>();
  readonly #ranks = new Map<string, Topic<RankFrames>>();
  readonly #dueUsers = new Set<string>();
  readonly #topPace: Pace;
  readonly #standingPace: Pace;
  #top: Top | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly leaderboard: string,
    private readonly source: BoardSource,
    flushIntervalMs: number,
    onError: (error: unknown) => void,
  ) {
    this.#topPace = new Pace(() => this.#flushTop(), flushIntervalMs, onError);
    // Ticks of the top set the pace of the standings; users of new streams need not wait for one.
    this.#standingPace = new Pace(() => this.#flushStandings(), 0, onError);
  }

  get deserted(): boolean {
    return this.#tops.size === 0;
  }

  changed(): void {
    this.#topPace.request();
  }

  /**
   * Resolves when a tick from now on has written to the streams what is new, or when the last of them has left.
   * @throws Error if too many wait for that already
   */
  async shown(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) throw new Error('Too many wait for the next frame');
    this.changed();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Opens the stream. Asks the source only for what no other stream shows already. */
  join(stream: Stream, { limit, userId }: View): void {
    const top = joinTopic(this.#tops, limit, stream);
    if (isNew(top) && !this.#cut(limit, top)) this.#topPace.request();
    const topics: Shown[] = [top];
    if (userId !== undefined) {
      const rank = joinTopic(this.#ranks, userId, stream);
      if (isNew(rank)) this.#lookUpSoon([userId]);
      topics.push(rank);
    }
    stream.open(topics);
  }

  leave(stream: Stream, { limit, userId }: View): void {
    leaveTopic(this.#tops, limit, stream);
    if (userId !== undefined) leaveTopic(this.#ranks, userId, stream);
    if (this.deserted) this.#tell(this.#waiting.length);
  }

  async #flushTop(): Promise<void> {
    if (this.deserted) return;
    const waiting = this.#waiting.length;
    const limit = Math.max(...this.#tops.keys());
    const state = await this.source.top(this.leaderboard, limit);
    if (this.#top !== null && isOlder(state, this.#top.state)) {
      // Older than what is shown: whatever changed since is not in it.
      this.#topPace.request();
      return;
    }
    const reach = state.items.length < limit ? Number.POSITIVE_INFINITY : state.items.length;
    this.#top = { state, entries: state.items.map(entryJson), reach };
    const news = [...this.#tops].filter(([limit, topic]) => this.#cut(limit, topic));
    this.#lookUpSoon(this.#ranks.keys());
    for (const [, topic] of news) await eachStream(topic.streams, catchUp);
    this.#tell(waiting);
  }

  #tell(waiting: number): void {
    for (const resolve of this.#waiting.splice(0, waiting)) resolve();
  }

  /** Shows the last answer to a topic. Returns whether its streams must hear of it. */
  #cut(limit: number, topic: Topic<BoardFrames>): boolean {
    if (this.#top === null || limit > this.#top.reach) return false;
    const { state, entries } = this.#top;
    return topic.show(new BoardFrames(state, entries.slice(0, limit).join(',')));
  }

  #lookUpSoon(userIds: Iterable<string>): void {
    for (const userId of userIds) this.#dueUsers.add(userId);
    if (this.#dueUsers.size > 0) this.#standingPace.request();
  }

  async #flushStandings(): Promise<void> {
    while (this.#dueUsers.size > 0) {
      const batch = [...take(this.#dueUsers, STANDINGS_A_TURN)];
      const results = await Promise.allSettled(batch.map((userId) => this.#lookUp(userId)));
      const failure = results.find((result) => result.status === 'rejected');
      if (failure) throw failure.reason;
      await nextTurn();
    }
  }

  async #lookUp(userId: string): Promise<void> {
    const topic = this.#ranks.get(userId);
    if (topic === undefined) return;
    try {
      const standing = await this.source.standing(this.leaderboard, userId);
      if (topic.show(new RankFrames(userId, standing))) await eachStream(topic.streams, catchUp);
    } catch (error) {
      this.#dueUsers.add(userId);
      throw error;
    }
  }
}

function joinTopic<K, F extends News<F>>(topics: Map<K, Topic<F>>, key: K, stream: Stream): Topic<F> {
  const topic = topics.get(key) ?? new Topic<F>();
  topics.set(key, topic);
  topic.streams.add(stream);
  return topic;
}

/** What an older topic lacks has been asked for already. */
function isNew<F extends News<F>>(topic: Topic<F>): boolean {
  return topic.streams.size === 1;
}

function leaveTopic<K, F extends News<F>>(topics: Map<K, Topic<F>>, key: K, stream: Stream): void {
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

function isOlder(state: BoardState, than: BoardState): boolean {
  return state.epoch === than.epoch && state.version < than.version;
}
