import { isDatabaseError } from '../postgres/errors.js';

/** Faults come in floods: at most one line of each kind in this time, in milliseconds. Lost traces are less urgent. */
const QUIET_MS = { 'Database error': 1_000, 'Redis error': 1_000, 'Tracing error': 60_000 };

export type FaultEvent = keyof typeof QUIET_MS;

interface FaultLine {
  readonly err: unknown;
  /** What could not be done; `count` is the number of such faults since the last line. */
  readonly data: { readonly doing: string; readonly count: number };
}

type Log = (line: FaultLine, event: FaultEvent) => void;

/** Logs failures of the database, Redis and the collector of traces: the first at once, a flood of them now and then, counted. */
export class Faults {
  readonly #log: Log;
  readonly #floods = new Map<FaultEvent, Flood>();
  readonly #databaseListeners: ((error: unknown) => void)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Called with each fault of the database. */
  onDatabaseFault(listener: (error: unknown) => void): void {
    this.#databaseListeners.push(listener);
  }

  database(error: unknown, doing: string): void {
    for (const listener of this.#databaseListeners) listener(error);
    this.#flood('Database error').add(error, doing);
  }

  redis(error: unknown, doing: string): void {
    this.#flood('Redis error').add(error, doing);
  }

  tracing(error: unknown, doing: string): void {
    this.#flood('Tracing error').add(error, doing);
  }

  /** For what uses the database and Redis. */
  either(error: unknown, doing: string): void {
    if (isDatabaseError(error)) this.database(error, doing);
    else this.redis(error, doing);
  }

  /** Writes what is still counted. */
  close(): void {
    for (const flood of this.#floods.values()) flood.close();
  }

  #flood(event: FaultEvent): Flood {
    const known = this.#floods.get(event);
    if (known !== undefined) return known;
    const flood = new Flood((line) => this.#log(line, event), QUIET_MS[event]);
    this.#floods.set(event, flood);
    return flood;
  }
}

class Flood {
  readonly #log: (line: FaultLine) => void;
  readonly #quietMs: number;
  #latest: { err: unknown; doing: string } | undefined;
  #count = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor(log: (line: FaultLine) => void, quietMs: number) {
    this.#log = log;
    this.#quietMs = quietMs;
  }

  add(err: unknown, doing: string): void {
    this.#latest = { err, doing };
    this.#count++;
    if (this.#quiet === undefined) this.#write();
  }

  close(): void {
    clearTimeout(this.#quiet);
    this.#write();
  }

  #write(): void {
    this.#quiet = undefined;
    if (this.#latest === undefined) return;
    const { err, doing } = this.#latest;
    this.#log({ err, data: { doing, count: this.#count } });
    this.#latest = undefined;
    this.#count = 0;
    this.#quiet = setTimeout(() => this.#write(), this.#quietMs).unref();
  }
}
