import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { Test } from 'tap';
import { conform } from '../api.js';

/**
 * A game that is made with an engine, and played by lines of JSON: commands go in, results and events come out. Each engine has
 * a driver that obeys the same commands, so that all are held to the same behaviour.
 */

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Integer = Type.Integer();
const Problem = Type.Object({ code: Type.String(), status: Integer, retryAfterMs: Integer });
const User = Type.Object({
  id: Type.String(),
  displayName: Type.String(),
  username: Nullable(Type.String()),
});
const Receipt = Type.Object({
  eventId: Type.String(),
  action: Type.String(),
  points: Integer,
  replayed: Type.Boolean(),
  leaderboards: Type.Array(
    Type.Object({ id: Type.String(), rank: Nullable(Integer), score: Nullable(Integer) }),
  ),
});
const Board = Type.Object({
  total: Integer,
  items: Type.Array(
    Type.Object({ rank: Integer, userId: Type.String(), displayName: Type.String(), score: Integer }),
  ),
});
const View = Type.Object({
  state: Type.Union(['connecting', 'open', 'reconnecting', 'closed'].map((state) => Type.Literal(state))),
  board: Nullable(Board),
  standing: Nullable(
    Type.Object({ userId: Type.String(), rank: Nullable(Integer), score: Nullable(Integer) }),
  ),
  error: Nullable(Problem),
});

/** What each command returns. */
const RESULTS = {
  guest: User,
  rename: User,
  upgrade: User,
  login: User,
  logout: Type.Null(),
  begin: Integer,
  perform: Receipt,
  pending: Integer,
  /** Whether its files outlive it. */
  kept: Type.Boolean(),
  /** It ends without freeing its lock, and writes nothing more. */
  crash: Type.Null(),
  /** It stores a file of its own. */
  save: Type.Null(),
  /** Another game takes its files. */
  'take away': Type.Null(),
  /** Its session cannot be read, and can again. */
  'hide session': Type.Null(),
  'show session': Type.Null(),
  top: Board,
  around: Board,
  subscribe: Type.Null(),
  unsubscribe: Type.Null(),
  /** The texts that a board shows, where the engine has one that runs without its editor. */
  rows: Type.Array(Type.String()),
};
type Command = keyof typeof RESULTS;

const EVENTS = {
  counted: Receipt,
  waiting: Type.Composite([Problem, Type.Object({ pauseMs: Integer })]),
  refused: Problem,
  view: View,
};
type EventName = keyof typeof EVENTS;

const Line = Type.Union([
  Type.Object({ id: Integer, result: Type.Unknown() }),
  Type.Object({ id: Integer, error: Problem }),
  Type.Object({
    event: Type.Union(Object.keys(EVENTS).map((name) => Type.Literal(name))),
    value: Type.Unknown(),
  }),
]);

/** A command that failed with an error of the package. */
export class GameError extends Error {
  readonly code: string;
  readonly status: number;

  constructor({ code, status }: Static<typeof Problem>) {
    super(code);
    this.code = code;
    this.status = status;
  }
}

/** The texts that a game has stored, which outlive it. */
export interface Kept {
  read(name: string): string;
  write(name: string, text: string): void;
}

export interface GameOptions {
  readonly url: string;
  /** Where an earlier game has stored its texts. */
  readonly kept?: Kept;
  /** False for a platform that cannot stream. */
  readonly canStream?: boolean;
}

/** A running game. */
export interface Running {
  readonly kept: Kept;
  /** Sends a line to the game. */
  write(line: string): void;
  /** Ends the game at once, as a crash does. */
  kill(): Promise<void>;
}

/** What comes out of a game. */
export interface Output {
  readonly onLine: (line: string) => void;
  /** Called when the game has ended, for whatever reason. */
  readonly onEnd: () => void;
}

/** Starts a game of an engine. */
export type Engine = (t: Test, options: GameOptions, output: Output) => Promise<Running>;

const ENDED = new Error('The game has ended');

/** A game that tests play. */
export class Game {
  readonly #calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #events: { name: string; value: unknown }[] = [];
  #running: Running | undefined;
  #hasEnded = false;
  #wake = () => {};

  static async start(t: Test, engine: Engine, options: GameOptions): Promise<Game> {
    const game = new Game();
    game.#running = await engine(t, options, {
      onLine: (line) => game.#receive(line),
      onEnd: () => game.#end(),
    });
    return game;
  }

  get kept(): Kept {
    return this.#run.kept;
  }

  /** @throws GameError */
  async ask<T extends Command>(
    command: T,
    args: Record<string, unknown> = {},
  ): Promise<Static<(typeof RESULTS)[T]>> {
    const id = this.#calls.size;
    const answer = new Promise<unknown>((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.#run.write(JSON.stringify({ id, command, ...args }));
    const result = await answer;
    conform(RESULTS[command], result, command);
    return result;
  }

  /** The next event of this name for which `isIt` holds; those before it are passed over. */
  async next<T extends EventName>(
    name: T,
    isIt: (value: Static<(typeof EVENTS)[T]>) => boolean = () => true,
  ): Promise<Static<(typeof EVENTS)[T]>> {
    for (;;) {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        if (event.name !== name) continue;
        const { value } = event;
        conform(EVENTS[name], value, name);
        if (isIt(value)) return value;
      }
      if (this.#hasEnded) throw ENDED;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  kill(): Promise<void> {
    return this.#run.kill();
  }

  get #run(): Running {
    if (this.#running === undefined) throw new Error('The game has not started');
    return this.#running;
  }

  #end(): void {
    this.#hasEnded = true;
    for (const { reject } of this.#calls.values()) reject(ENDED);
    this.#wake();
  }

  #receive(text: string): void {
    const line: unknown = JSON.parse(text);
    conform(Line, line, 'a line of the game');
    if ('event' in line) {
      this.#events.push({ name: line.event, value: line.value });
      this.#wake();
      return;
    }
    const call = this.#calls.get(line.id);
    if ('error' in line) call?.reject(new GameError(line.error));
    else call?.resolve(line.result);
  }
}
