import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/** A process that has not answered for so long is as good as gone, in milliseconds. */
const ANSWER_WITHIN_MS = 2_000;
const CHECK_EVERY_MS = 500;

/** What one process sends to another: calls that it makes, and results of calls that it has received. */
const Message = Type.Object({
  calls: Type.Array(Type.Tuple([Type.Integer(), Type.String(), Type.Array(Type.Unknown())])),
  results: Type.Array(Type.Tuple([Type.Integer(), Type.Boolean(), Type.Unknown()])),
});
type Message = Static<typeof Message>;
const message = TypeCompiler.Compile(Message);

/** What the other process may call, by name. The arguments are what JSON has left of them. */
export type Answers = Readonly<Record<string, (args: readonly unknown[]) => unknown>>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly until: number;
}

/**
 * Calls between the process of a worker and that of its supervisor, in both directions. Calls of one turn of the event loop travel in
 * one message: a message costs far more than a call.
 */
export class Calls {
  readonly #send: (message: Message) => void;
  readonly #answers: Answers;
  /** In the order of their deadlines. */
  readonly #pending = new Map<number, Pending>();
  readonly #checks: NodeJS.Timeout;
  #next: Message = { calls: [], results: [] };
  #isScheduled = false;
  #lastId = 0;

  /** @param send hands a message to the other process, whose `receive()` takes it */
  constructor(send: (message: object) => void, answers: Answers) {
    this.#send = send;
    this.#answers = answers;
    this.#checks = setInterval(() => this.#check(), CHECK_EVERY_MS).unref();
  }

  /** What the other process answers. @throws Error if it has no answer, or none in time */
  call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#lastId;
    this.#next.calls.push([id, name, [...args]]);
    this.#schedule();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, until: performance.now() + ANSWER_WITHIN_MS });
    });
  }

  receive(received: unknown): void {
    if (!message.Check(received)) return;
    for (const [id, isOk, value] of received.results) {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (isOk) pending?.resolve(value);
      else pending?.reject(new Error(`Another process of the instance has failed: ${String(value)}`));
    }
    for (const [id, name, args] of received.calls) this.#answer(id, name, args);
  }

  /** The other process is gone. */
  close(): void {
    clearInterval(this.#checks);
    for (const { reject } of this.#pending.values())
      reject(new Error('Another process of the instance has ended'));
    this.#pending.clear();
  }

  #answer(id: number, name: string, args: readonly unknown[]): void {
    const done = (isOk: boolean, value: unknown) => {
      this.#next.results.push([id, isOk, value ?? null]);
      this.#schedule();
    };
    const fail = (error: unknown) => done(false, error instanceof Error ? error.message : error);
    try {
      const answer = Object.hasOwn(this.#answers, name) ? this.#answers[name] : undefined;
      if (answer === undefined) throw new Error(`there is no ${name}`);
      const value = answer(args);
      if (value instanceof Promise) value.then((value: unknown) => done(true, value), fail);
      else done(true, value);
    } catch (error) {
      fail(error);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const next = this.#next;
      this.#next = { calls: [], results: [] };
      this.#send(next);
    });
  }

  #check(): void {
    const now = performance.now();
    for (const [id, { reject, until }] of this.#pending) {
      if (until > now) return;
      this.#pending.delete(id);
      reject(new Error('Another process of the instance has not answered in time'));
    }
  }
}
