import type pg from 'pg';
import { Loop } from '../loop.js';
import { connect } from '../postgres/connection.js';
import { CHANGES_CHANNEL, type Change, parseChange } from './change.js';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;
/** A connection that was cut without notice, as by a NAT that forgot it, is found by a query. */
const HEARTBEAT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 3_000;

export interface ChangeListener {
  onChange?(change: Change): void;
  /** The feed was cut and is back. Changes were missed meanwhile, so everything must be read again. */
  onResync?(): void;
}

/** Receives the changes that instances announce, over one connection that LISTENs and is replaced whenever it breaks. */
export class ChangeFeed {
  readonly #databaseUrl: string;
  readonly #onError: (error: unknown) => void;
  readonly #listeners: ChangeListener[] = [];
  readonly #reconnects: Loop;
  readonly #heartbeats: Loop;
  #client: pg.Client | undefined;

  constructor(databaseUrl: string, onError: (error: unknown) => void) {
    this.#databaseUrl = databaseUrl;
    this.#onError = onError;
    const backoff = { firstBackoffMs: FIRST_RETRY_MS, maxBackoffMs: LAST_RETRY_MS };
    this.#reconnects = new Loop(() => this.#reconnect(), { ...backoff, onError });
    this.#heartbeats = new Loop(() => this.#beat(), { everyMs: HEARTBEAT_MS, onError });
  }

  listen(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Connects. Changes that commit after this has resolved are received. */
  async start(): Promise<void> {
    await this.#connect();
    this.#heartbeats.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.#reconnects.stop(), this.#heartbeats.stop()]);
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connect(): Promise<void> {
    const client = await connect(this.#databaseUrl, {
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      application_name: 'scoreboard-api changes',
    });
    client.on('notification', ({ payload }) => this.#receive(payload));
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () =>
      this.#lost(client, new Error('The connection that listens for changes has ended')),
    );
    try {
      await client.query(`LISTEN ${CHANGES_CHANNEL}`);
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
  }

  async #reconnect(): Promise<void> {
    if (this.#client !== undefined) return;
    await this.#connect();
    for (const listener of this.#listeners) listener.onResync?.();
  }

  async #beat(): Promise<void> {
    const client = this.#client;
    await client?.query('SELECT').catch((error: unknown) => this.#lost(client, error));
  }

  #receive(payload: string | undefined): void {
    const change = payload === undefined ? null : parseChange(payload);
    if (change === null) this.#onError(new Error(`Not a change: ${payload?.slice(0, 200)}`));
    else for (const listener of this.#listeners) listener.onChange?.(change);
  }

  #lost(client: pg.Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => {});
    this.#onError(error);
    this.#reconnects.request();
  }
}
