import { ScoreboardError } from '@scoreboard/client';
import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { connection } from './connection.js';
import { session } from './session.js';

/** Between tries of what has failed, in milliseconds. */
const RETRY_MS = 3_000;

interface Options {
  /** Reads again so long after the last answer, while the page is visible, in milliseconds. */
  readonly everyMs?: number;
}

/** Something of the service that an element shows, from when it is on the page until it is taken away. */
export class Resource<T> implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #load: (signal: AbortSignal) => Promise<T>;
  readonly #everyMs: number | undefined;
  #reading: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The last that was read; kept when a later try fails. */
  value: T | undefined;
  /** Why the last try has failed. */
  error: ScoreboardError | undefined;

  constructor(
    host: ReactiveControllerHost,
    load: (signal: AbortSignal) => Promise<T>,
    { everyMs }: Options = {},
  ) {
    this.#host = host;
    this.#load = load;
    this.#everyMs = everyMs;
    host.addController(this);
  }

  hostConnected(): void {
    document.addEventListener('visibilitychange', this.#wake);
    connection.addEventListener('retry', this.#wake);
    session.addEventListener('change', this.#wake);
    this.refresh();
  }

  hostDisconnected(): void {
    document.removeEventListener('visibilitychange', this.#wake);
    connection.removeEventListener('retry', this.#wake);
    session.removeEventListener('change', this.#wake);
    this.#reading?.abort();
    clearTimeout(this.#timer);
  }

  /** Forgets what was read, for another question. */
  restart(): void {
    this.value = undefined;
    this.#host.requestUpdate();
    this.refresh();
  }

  /** Resolves when it is read, or that has failed. */
  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    try {
      const value = await this.#load(reading.signal);
      if (reading.signal.aborted) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (reading.signal.aborted) return;
      if (!(error instanceof ScoreboardError)) throw error;
      this.error = error;
    }
    this.#host.requestUpdate();
    const wait = this.error?.mayPass ? RETRY_MS : this.error ? undefined : this.#everyMs;
    if (wait !== undefined) this.#timer = setTimeout(this.#wake, wait);
  }

  #wake = (): void => {
    if (!document.hidden && session.current !== null) this.refresh();
  };
}
