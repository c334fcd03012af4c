import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { LRUCache } from 'lru-cache';
import type { RedisClient } from '../redis/connection.js';
import { Script } from '../redis/script.js';
import {
  type BoardKey,
  type Leaderboard,
  NotReady,
  type Page,
  type Placement,
  type RankChange,
  type RankedStanding,
  type Standing,
  type StandingChange,
  sortKey,
} from './leaderboard.js';
import * as scripts from './redis-scripts.js';

/** On which instances tell one another that a board has changed; the message is the board's id. */
export const BOARDS_CHANNEL = 'scoreboard:boards';

const page = new Script(scripts.PAGE);
const around = new Script(scripts.AROUND);
const many = new Script(scripts.MANY);
const state = new Script(scripts.STATE);
const apply = new Script(scripts.APPLY);
const erase = new Script(scripts.ERASE);
const touch = new Script(scripts.TOUCH);

const Text = Type.String();
const Answer = Type.Tuple([
  Text,
  Text,
  Type.Integer(),
  Type.Integer(),
  Type.Array(Type.Union([Text, Type.Integer()])),
]);

/** Redis answers, and does not have the board, or not all of it: it must be rebuilt. */
export class BoardLost extends NotReady {
  override readonly name = 'BoardLost';
}

/** Parses what a script has answered: null is how Redis says false, and false says that the board is lost. */
export function parser<T extends TSchema>(schema: T): (answer: unknown) => Static<T> {
  const compiled = TypeCompiler.Compile(schema);
  return (answer) => {
    if (answer === null) throw new BoardLost('The board is not in Redis');
    if (!compiled.Check(answer)) throw new Error('Redis has given an answer that no script of ours gives');
    return answer;
  };
}
const asAnswer = parser(Answer);
const asState = parser(Type.Tuple([Text, Text]));
/** 0: the board is lost, and the one that is being built in its place has taken the changes. */
const asRanks = parser(Type.Union([Type.Array(Type.Integer()), Type.Literal(0)]));

/** `achievedAt` in the width at which text sorts like numbers, until the year 33,658. */
export const timeText = (ms: number): string => String(ms).padStart(15, '0');

/**
 * The keys of a board, of the users who have left it, of what has changed since one is being built beside it, and of the mark that some
 * instance has compared it lately.
 */
export function keysOf(key: BoardKey): { board: string[]; gone: string; changes: string; compared: string } {
  const tag = tagOf(key);
  return {
    board: [`${tag}:rank`, `${tag}:entries`],
    gone: `${tag}:gone`,
    changes: `${tag}:changes`,
    compared: `${tag}:compared`,
  };
}

/** The keys of a board that is being built: of its own, so that another that was given up does not write to them. */
export const keysOfNext = (key: BoardKey, epoch: string): [rank: string, entries: string] => [
  `${tagOf(key)}:rank:${epoch}`,
  `${tagOf(key)}:entries:${epoch}`,
];

const tagOf = ({ id, season }: BoardKey): string => `scoreboard:{${id}:${season}}`;

/** A change as the scripts take it: user, sort key (empty if the user leaves the board), time, version. */
export const scriptArguments = (key: BoardKey, { userId, score, achievedAt, version }: StandingChange) => [
  userId,
  score === null ? '' : sortKey(key, score),
  timeText(achievedAt),
  version,
];

/**
 * A board in Redis, shared by all instances. Each call is one script: one round trip, and atomic. Any call may throw
 * `NotReady`, because Redis does not answer, or `BoardLost`.
 */
export class RedisLeaderboard implements Leaderboard {
  readonly key: BoardKey;
  /** How often changes may have passed Redis by since it was compared. With any, nothing is read, but changes are taken. */
  doubts = 0;
  /** Who was erased lately. Redis knows it too, unless it has lost that key: what is confirmed then must not bring one back. */
  readonly erased = new LRUCache<string, true>({ max: 100_000, ttl: 600_000 });
  readonly #client: RedisClient;
  readonly #board: string[];
  readonly #all: string[];

  constructor(key: BoardKey, client: RedisClient) {
    this.key = key;
    this.#client = client;
    const { board, gone, changes } = keysOf(key);
    this.#board = board;
    this.#all = [...board, gone, changes];
  }

  /** Nothing to do here: boards in Redis are looked after by RedisBoards. */
  async load(): Promise<void> {}

  /** What the board is at, to find out whether something was missed. */
  async state(): Promise<string> {
    return asState(await this.#run(state, this.#board, [])).join('-');
  }

  async apply(changes: readonly StandingChange[]): Promise<RankChange[]> {
    const args = changes.flatMap((change) => scriptArguments(this.key, change));
    const unknown = changes.map(() => ({ previousRank: null, rank: null }));
    const written = this.#write(apply, this.#all, args);
    if (this.doubts > 0) {
      // The ranks would be of no use, and the answer may never come.
      written.catch(() => {});
      return unknown;
    }
    try {
      const ranks = asRanks(await written);
      if (ranks === 0 || this.doubts > 0) return unknown;
      return changes.map((_, i) => ({ previousRank: rankOf(ranks[2 * i]), rank: rankOf(ranks[2 * i + 1]) }));
    } catch (error) {
      // A write never fails because Redis does. What it misses now is put right when it is back.
      if (error instanceof NotReady) return unknown;
      throw error;
    }
  }

  async erase(userId: string): Promise<void> {
    this.erased.set(userId, true);
    await this.#write(erase, this.#all, [userId]);
  }

  async touch(versions = 1): Promise<void> {
    await this.#write(touch, this.#board, [versions]);
  }

  async page(limit: number, after?: Standing): Promise<Page> {
    const position = after ? [sortKey(this.key, after.score), timeText(after.achievedAt) + after.userId] : [];
    return this.#page(await this.#read(page, [limit, ...position]));
  }

  async placement(userId: string): Promise<Placement | null> {
    const found = await this.around(userId, 1, 0);
    const standing = found?.standings.at(-1);
    if (found === null || standing === undefined) return null;
    return { total: found.total, standing, above: found.standings.at(-2) ?? null };
  }

  async around(userId: string, above: number, below = above): Promise<Page | null> {
    const found = this.#page(await this.#read(around, [userId, above, below]));
    return found.standings.length === 0 ? null : found;
  }

  async many(userIds: readonly string[]): Promise<Page> {
    const answer = asAnswer(await this.#read(many, [...new Set(userIds)]));
    const [epoch, version, total, , rows] = answer;
    const standings: RankedStanding[] = [];
    for (let i = 0; i < rows.length; i += 3)
      standings.push(this.#standing(rows[i], rows[i + 1], Number(rows[i + 2])));
    standings.sort((a, b) => a.rank - b.rank);
    return { epoch, version: Number(version), total, standings };
  }

  #read(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    if (this.doubts > 0) throw new NotReady('The board has not been compared yet');
    return this.#run(script, this.#board, args);
  }

  async #write(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await this.#run(script, keys, [BOARDS_CHANNEL, this.key.id, ...args]);
    } catch (error) {
      this.doubts++;
      throw error;
    }
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await script.run(this.#client, keys, args);
    } catch (error) {
      throw new NotReady('Redis does not answer', { cause: error });
    }
  }

  #page(answer: unknown): Page {
    const [epoch, version, total, start, rows] = asAnswer(answer);
    const standings: RankedStanding[] = [];
    for (let i = 0; i < rows.length; i += 2)
      standings.push(this.#standing(rows[i], rows[i + 1], start + i / 2));
    return { epoch, version: Number(version), total, standings };
  }

  #standing(
    member: string | number | undefined,
    score: string | number | undefined,
    position: number,
  ): RankedStanding {
    const text = String(member);
    return {
      rank: position + 1,
      userId: text.slice(15),
      score: sortKey(this.key, Number(score)),
      achievedAt: Number(text.slice(0, 15)),
    };
  }
}

/** From a 0-based place, −1 for none. */
const rankOf = (place: number | undefined): number | null =>
  place === undefined || place < 0 ? null : place + 1;
