import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CHANGES_CHANNEL, type Change, parseChange } from './change.js';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;
/** A connection that is cut without a word (a NAT that forgot it) is found by asking. */
const HEARTBEAT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 3_000;

export interface ChangeListener {
  onChange?(change: Change): void;
  /** The feed was cut and is back: whatever came meanwhile was missed, so read everything again. */
  onResync?(): void;
}

/**
 * Hears what other instances announce, over one connection that LISTENs and is made anew whenever it breaks.
 */
export class ChangeFeed {
  readonly #databaseUrl: string;
  readonly #onError: (error: unknown) => void;
  readonly #listeners: ChangeListener[] = [];
  readonly #closed = new AbortController();
  #client: pg.Client | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(databaseUrl: string, onError: (error: unknown) => void) {
    this.#databaseUrl = databaseUrl;
    this.#onError = onError;
  }

  listen(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Connects. Changes that commit after this has resolved are heard. */
  async start(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'scoreboard-api changes',
    });
    client.on('notification', ({ payload }) => this.#hear(payload));
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () =>
      this.#lost(client, new Error('The connection that listens for changes has ended')),
    );
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANGES_CHANNEL}`);
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
    this.#heartbeat = setInterval(() => {
      client.query('SELECT').catch((error: unknown) => this.#lost(client, error));
    }, HEARTBEAT_MS).unref();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    clearInterval(this.#heartbeat);
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  #hear(payload: string | undefined): void {
    const change = payload === undefined ? null : parseChange(payload);
    if (change === null) this.#onError(new Error(`Not a change: ${payload?.slice(0, 200)}`));
    else for (const listener of this.#listeners) listener.onChange?.(change);
  }

  #lost(client: pg.Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    clearInterval(this.#heartbeat);
    client.end().catch(() => {});
    this.#onError(error);
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let wait = FIRST_RETRY_MS; !this.#closed.signal.aborted; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      try {
        await delay(wait, undefined, { signal: this.#closed.signal });
        await this.start();
        if (this.#closed.signal.aborted) return await this.close();
        for (const listener of this.#listeners) listener.onResync?.();
        return;
      } catch (error) {
        if (!this.#closed.signal.aborted) this.#onError(error);
      }
    }
  }
}
