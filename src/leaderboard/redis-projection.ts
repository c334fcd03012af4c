import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { BoardKey } from '../board-key.js';
import type { RedisClient } from '../redis/connection.js';
import { defineScripts, inTime, type Scripts } from '../redis/scripts.js';
import {
  type Entry,
  type EntryChange,
  type RankChange,
  type RankedEntry,
  rankedFrom,
  sortKey,
} from './entry.js';
import {
  type Board,
  type Counts,
  type Mark,
  NotReady,
  type Page,
  type Placement,
  type Projection,
} from './projection.js';
import { BOARD_SCRIPTS, type BoardScript } from './redis-scripts.js';

/** On which instances report to each other that a board in Redis has changed; see `messageOf`. */
export const BOARDS_CHANNEL = 'scoreboard:boards';
/** Stands in a message for a change that has no id. */
export const NO_CHANGE = '-';
/** The objects of an open board, as measured; its entries are in Redis. */
const OBJECTS_BYTES = 3_072;

/** Redis answers, and does not have the board, or not all of it: it must be built. */
export class BoardLost extends NotReady {
  override readonly name = 'BoardLost';
}

/** Whether Redis has refused a command because there is something else in the place of a key. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('WRONGTYPE');

/** Whether the board must be built: it is not in Redis, not all of it, or something else is in its place. */
export const isLost = (error: unknown): boolean => error instanceof BoardLost || isWrongType(error);

/** Parses what a script has answered: null is how Redis says false, and false says that the board is lost. */
export function parser<T extends TSchema>(schema: T): (answer: unknown) => Static<T> {
  const compiled = TypeCompiler.Compile(schema);
  return (answer) => {
    if (answer === null) throw new BoardLost('The board is not in Redis');
    if (!compiled.Check(answer)) throw new Error('Redis has given an answer that no script of ours gives');
    return answer;
  };
}

const Text = Type.String();
const Answer = Type.Tuple([
  Text,
  Text,
  Type.Integer(),
  Type.Integer(),
  Type.Integer(),
  Type.Array(Type.Union([Text, Type.Integer()])),
]);
type Answer = Static<typeof Answer>;
const asAnswer = parser(Answer);
/** 0: the board is lost, and the one that is being built in its place has taken the changes. */
const asApplied = parser(
  Type.Union([Type.Array(Type.Union([Text, Type.Integer()]), { minItems: 2 }), Type.Literal(0)]),
);
const asPosition = parser(Type.Tuple([Text, Type.Integer()]));
const asFields = parser(Type.Tuple([Type.Union([Text, Type.Null()]), Type.Union([Text, Type.Null()])]));

/** How far a board has come. Epochs begin with the time, so that a later one sorts behind. */
interface Position {
  readonly epoch: string;
  readonly version: number;
}

const isBefore = (one: Position, other: Position): boolean =>
  one.epoch < other.epoch || (one.epoch === other.epoch && one.version < other.version);

/** `achievedAt` in the width at which text sorts like numbers, until the year 33,658. */
export const timeText = (ms: number): string => String(ms).padStart(15, '0');

/** The keys of a board, of its tombstones, of changes that wait for a board that is being built, and of the mark that it was compared lately. */
export function keysOf(key: BoardKey) {
  const tag = `scoreboard:{${key.text}}`;
  return {
    board: [`${tag}:rank`, `${tag}:entries`],
    tombstones: `${tag}:tombstones`,
    changes: `${tag}:changes`,
    reconciled: `${tag}:reconciled`,
    /** Of one part of a change: parts have the id in common, and a part may be some of another one. */
    claimOf: (changeId: string, firstUser: string, lastUser = firstUser) =>
      `${tag}:confirmed:${changeId}:${firstUser}:${lastUser}`,
    /** Of a board that is being built: each build has its own, so that one that was given up does not write to another's. */
    next: (epoch: string): [rank: string, entries: string] => [
      `${tag}:rank:${epoch}`,
      `${tag}:entries:${epoch}`,
    ],
  };
}

/** All keys of a board that do not expire within the hour. */
export function allKeysOf(key: BoardKey): string[] {
  const { board, tombstones, changes, reconciled } = keysOf(key);
  return [...board, tombstones, changes, reconciled];
}

/** A change as the scripts take it: user, sort key (empty if the entry is removed), time, version. */
export const scriptArguments = ({ sort }: Board, { userId, score, achievedAt, version }: EntryChange) => [
  userId,
  score === null ? '' : sortKey(sort, score),
  timeText(achievedAt),
  version,
];

/** A mark as the script takes it: sort key, side, and the member if it is beside an entry. */
function markArguments({ sort }: Board, mark: Mark): (string | number)[] {
  if ('above' in mark) return [sortKey(sort, mark.above), 'before'];
  if ('below' in mark) return [sortKey(sort, mark.below), 'after'];
  const [side, { score, achievedAt, userId }] =
    'before' in mark ? (['before', mark.before] as const) : (['after', mark.after] as const);
  return [sortKey(sort, score), side, timeText(achievedAt) + userId];
}

/** Redis as the boards of one instance use it. */
export class BoardRedis {
  readonly client: RedisClient;
  readonly scripts: Scripts<BoardScript>;
  readonly instance: string;

  constructor(client: RedisClient, instance: string) {
    this.client = client;
    this.scripts = defineScripts(client, BOARD_SCRIPTS);
    this.instance = instance;
  }

  /** What a script that changes a board publishes: the board, the instance that sent the script, and the change. */
  messageOf(board: BoardKey, changeId = NO_CHANGE): [channel: string, message: string] {
    return [BOARDS_CHANNEL, `${board.text} ${this.instance} ${changeId}`];
  }
}

/**
 * A board in Redis, shared by all instances. Each call is one script: one round trip, and atomic. Any call may throw
 * `NotReady`, because Redis does not answer, or `BoardLost`.
 *
 * While verifications are pending nothing is read, but changes are written.
 *
 * Redis may fall back without a sign: a replica that lags takes over, or an older copy is put in place. Therefore each answer
 * is held against the position that the board was known to have when the question was sent. One behind it is a lost board.
 */
export class RedisProjection implements Projection {
  readonly board: Board;
  readonly bytes = OBJECTS_BYTES;
  /** How often changes may have bypassed Redis since the board was last compared with PostgreSQL. */
  pendingVerifications = 0;
  /** Whether the board was ready before: one that is not any more has been lost, one that never was is cold. */
  wasReady = false;
  /** Entries that differed when this instance compared the board; 0 once another instance has compared it since. */
  drift = 0;
  /** The furthest position that this instance knows of, by its own calls and by the messages of others. */
  #furthest: Position | undefined;
  /** When this instance last changed the board, on the clock of `performance.now()`. */
  #changedAt = Number.NEGATIVE_INFINITY;
  readonly #redis: BoardRedis;
  readonly #verify: (projection: RedisProjection, signal?: AbortSignal) => Promise<void>;
  /** Called when the board turns out to be lost, or a write to have failed. */
  readonly #onStale: (projection: RedisProjection) => void;
  readonly #keys: ReturnType<typeof keysOf>;
  readonly #all: readonly string[];

  constructor(
    board: Board,
    redis: BoardRedis,
    verify: (projection: RedisProjection, signal?: AbortSignal) => Promise<void>,
    onStale: (projection: RedisProjection) => void,
  ) {
    this.board = board;
    this.#redis = redis;
    this.#verify = verify;
    this.#onStale = onStale;
    this.#keys = keysOf(board.key);
    this.#all = [...this.#keys.board, this.#keys.tombstones, this.#keys.changes];
  }

  get isReady(): boolean {
    return this.pendingVerifications === 0;
  }

  markStale(): void {
    this.pendingVerifications++;
    this.#furthest = undefined;
  }

  /** Whether this instance has changed the board in these milliseconds. */
  hasChangedWithin(ms: number): boolean {
    return this.isReady && this.#changedAt > performance.now() - ms;
  }

  /** Another instance has moved the board to this position. */
  moved(position: Position): void {
    if (!this.isReady || (this.#furthest !== undefined && !isBefore(this.#furthest, position))) return;
    this.#furthest = position;
  }

  /** Looks whether the board has fallen back: if so, it is to be loaded. */
  async checkPosition(): Promise<void> {
    const known = this.#furthest;
    if (!this.isReady || known === undefined) return;
    const [, entries = ''] = this.#keys.board;
    const answer = await inTime(this.#redis.client.hmget(entries, '~epoch', '~version')).catch((error) => {
      if (isWrongType(error)) return [null, null];
      throw error;
    });
    const [epoch, version] = asFields(answer);
    const position = { epoch: epoch ?? '', version: Number(version) || 0 };
    if (this.isReady && isBefore(position, known)) this.#onStale(this);
  }

  /** @throws BoardLost if the board has fallen back behind what was known when Redis was asked */
  #arriveAt(position: Position, known: Position | undefined): void {
    if (known !== undefined && isBefore(position, known))
      throw new BoardLost(`The board has fallen back to version ${position.version}`);
    this.moved(position);
  }

  load(signal?: AbortSignal): Promise<void> {
    return this.#verify(this, signal);
  }

  async apply(changeId: string, changes: readonly EntryChange[]): Promise<RankChange[] | null> {
    const args = changes.flatMap((change) => scriptArguments(this.board, change));
    const known = this.#furthest;
    const written = this.#write('apply', this.#all, changeId, args);
    if (!this.isReady) {
      // The ranks would be of no use, and the answer may never come.
      written.catch(() => {});
      return null;
    }
    try {
      const applied = asApplied(await written);
      if (applied === 0 || !this.isReady) return null;
      const [epoch, version, ...ranks] = applied;
      // The change itself has moved the board on by one.
      this.#arriveAt({ epoch: String(epoch), version: Number(version) }, known && next(known));
      this.#changedAt = performance.now();
      return changes.map((_, i) => ({ previousRank: rankOf(ranks[2 * i]), rank: rankOf(ranks[2 * i + 1]) }));
    } catch (error) {
      if (error instanceof BoardLost && this.isReady) this.#onStale(this);
      // A score never fails because Redis does. The board is compared when Redis is back.
      if (error instanceof NotReady) return null;
      throw error;
    }
  }

  async confirm(changeId: string, changes: readonly EntryChange[]): Promise<void> {
    const args = changes.flatMap((change) => scriptArguments(this.board, change));
    const claim = this.#keys.claimOf(changeId, changes[0]?.userId ?? '', changes.at(-1)?.userId);
    // Without the id: other parts of the change may be missing.
    await this.#write('confirm', [...this.#all, claim], NO_CHANGE, args);
  }

  async erase(changeId: string, userId: string): Promise<void> {
    await this.#write('erase', [...this.#all, this.#keys.claimOf(changeId, userId)], changeId, [userId]);
  }

  async rename(changeId: string, userId: string): Promise<void> {
    const claim = this.#keys.claimOf(changeId, userId);
    await this.#write('rename', [...this.#keys.board, claim], changeId, [userId]);
  }

  /** Moves the version on, past those that clients may have seen and Redis has lost. The board was just compared. */
  async skipVersions(versions: number): Promise<void> {
    const answer = await this.#write('skipVersions', this.#keys.board, NO_CHANGE, [versions]);
    const [epoch, version] = asPosition(answer);
    this.#furthest = { epoch, version };
  }

  page(limit: number, after?: Entry): Promise<Page> {
    return after === undefined ? this.slice(0, limit) : this.near({ after }, 0, limit);
  }

  async slice(start: number, limit: number): Promise<Page> {
    return this.#page(await this.#read('slice', [start, limit]));
  }

  async near(mark: Mark, before: number, behind: number): Promise<Page> {
    return this.#page(await this.#read('near', [before, behind, ...markArguments(this.board, mark)]));
  }

  async countThrough(scores: readonly number[]): Promise<Counts> {
    const keys = scores.map((score) => sortKey(this.board.sort, score));
    const [, , total, , , counts] = await this.#read('countThrough', keys);
    return { total, counts: counts.map(Number) };
  }

  /** Only Redis knows whether another instance has changed the board. */
  keptPage(): undefined {
    return undefined;
  }

  async placement(userId: string): Promise<Placement | null> {
    const answer = await this.#read('placement', [userId]);
    const rows = answer[5];
    const [, best] = rows.splice(-2);
    const { total, entries } = this.#page(answer);
    const entry = entries.at(-1);
    if (entry === undefined) return null;
    return { total, entry, above: entries.at(-2) ?? null, best: sortKey(this.board.sort, Number(best)) };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const found = this.#page(await this.#read('around', [userId, radius]));
    return found.entries.length === 0 ? null : found;
  }

  async many(userIds: readonly string[]): Promise<Page> {
    const [epoch, version, total, , , rows] = await this.#read('many', [...new Set(userIds)]);
    const entries: RankedEntry[] = [];
    for (let i = 0; i < rows.length; i += 4) {
      const [member, score, before, better] = rows.slice(i, i + 4);
      const ranks = { rank: Number(before) + 1, sharedRank: Number(better) + 1 };
      entries.push({ ...this.#entry(member, score), ...ranks });
    }
    entries.sort((a, b) => a.rank - b.rank);
    return { epoch, version: Number(version), total, entries };
  }

  async #read(script: BoardScript, args: readonly (string | number)[]): Promise<Answer> {
    if (!this.isReady) throw new NotReady('The board has not been compared with PostgreSQL yet');
    const known = this.#furthest;
    try {
      const answer = asAnswer(await this.#run(script, this.#keys.board, args));
      const [epoch, version] = answer;
      this.#arriveAt({ epoch, version: Number(version) }, known);
      return answer;
    } catch (error) {
      if (error instanceof BoardLost && this.isReady) this.#onStale(this);
      throw error;
    }
  }

  async #write(
    script: BoardScript,
    keys: readonly string[],
    changeId: string,
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      const message = this.#redis.messageOf(this.board.key, changeId);
      return await this.#run(script, keys, [...message, ...args]);
    } catch (error) {
      this.#onStale(this);
      throw error;
    }
  }

  async #run(
    script: BoardScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await this.#redis.scripts[script](keys, args);
    } catch (error) {
      if (isWrongType(error))
        throw new BoardLost('Something else is in the place of the board', { cause: error });
      throw new NotReady('Redis does not answer', { cause: error });
    }
  }

  #page([epoch, version, total, start, better, rows]: Answer): Page {
    const entries: Entry[] = [];
    for (let i = 0; i < rows.length; i += 2) entries.push(this.#entry(rows[i], rows[i + 1]));
    return { epoch, version: Number(version), total, entries: rankedFrom(start + 1, better + 1, entries) };
  }

  #entry(member: string | number | undefined, score: string | number | undefined): Entry {
    const text = String(member);
    return {
      userId: text.slice(15),
      score: sortKey(this.board.sort, Number(score)),
      achievedAt: Number(text.slice(0, 15)),
    };
  }
}

const next = ({ epoch, version }: Position): Position => ({ epoch, version: version + 1 });

/** From a 0-based place, −1 for none. */
const rankOf = (place: string | number | undefined): number | null =>
  typeof place !== 'number' || place < 0 ? null : place + 1;
