import type pg from 'pg';
import { countDown, withDeadline } from '../deadline.js';
import { Loop } from '../loop.js';
import { connect } from '../postgres/connection.js';
import type { Queryable } from '../postgres/database.js';
import { CHANGES_CHANNEL, type Change, parseChange } from './change.js';

/** How long a heartbeat that has come back proves that changes arrive, in milliseconds from when it was sent. */
const PROOF_LASTS_MS = 2_000;
const BEAT_EVERY_MS = 800;
/** Between two heartbeats that somebody waits for. */
const BEAT_REST_MS = 100;
const LAST_RETRY_MS = 1_000;
const ANSWER_TIMEOUT_MS = 3_000;
const BECOMES_WITHIN_MS = 1_000;

/** Not flushed to disk by itself: nothing is lost with a heartbeat, and commits that announce changes wait for each other. */
const BEAT = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

export interface ChangeListener {
  onChange?(change: Change): void;
  /**
   * Changes were missed, so everything that they keep current must be read again. The feed is not current until this has
   * resolved, and calls it again if it fails.
   */
  onResync?(): void | Promise<void>;
}

/** What those need to know who rely on what they have learned from changes. */
export interface FeedState {
  /**
   * Whether everything that was committed until two seconds ago has been heard. While it is not, what was learned from changes
   * is in doubt: PostgreSQL must be asked instead.
   */
  readonly isCurrent: boolean;
}

/** Tells also when all is heard that was committed by a time. */
export interface Feed extends FeedState {
  /**
   * @param by on the clock of `performance.now()`; not in the future
   * @throws Error that says why, if it takes longer than two seconds
   */
  heardAll(by?: number): Promise<void>;
}

interface ChangeFeedOptions {
  readonly databaseUrl: string;
  /** Names this instance among all. */
  readonly instance: string;
  /** Sends heartbeats: not the connection that listens, which a pooler would let hear itself and nobody else. */
  readonly database: Queryable;
  /** Something on the channel is not a change. */
  readonly onError: (error: unknown) => void;
  /** The feed is not current any more, called once until `onBack`. */
  readonly onLost: (reason: unknown) => void;
  readonly onBack: () => void;
}

/**
 * Receives the changes that instances announce, over one connection that LISTENs and is replaced whenever it breaks.
 *
 * An open connection proves nothing: a pooler swallows LISTEN without an error, a NAT forgets connections, a primary is cut
 * off. So the feed sends itself heartbeats through PostgreSQL, on a channel of its own. Notifications arrive in the order of
 * the commits: a heartbeat that has come back proves that everything was heard that had been committed when it was sent.
 */
export class ChangeFeed implements Feed {
  readonly #options: ChangeFeedOptions;
  readonly #ownChannel: string;
  readonly #listeners: ChangeListener[] = [];
  /** Connects, sends a heartbeat and waits for it, and has everything read again that was missed. */
  readonly #beats: Loop;
  /** Ends the wait until the last proof has lasted too long. */
  #endWait = (): void => {};
  #client: pg.Client | undefined;
  /** Whether nothing was missed since the listeners have read everything. */
  #isWhole = true;
  /** When the last heartbeat that proved something was sent. */
  #provenAt = Number.NEGATIVE_INFINITY;
  #beat = 0;
  #onEcho: (() => void) | undefined;
  #onProof: (() => void)[] = [];
  /** Why the feed may not be current. */
  #reason: unknown = new Error('No heartbeat through PostgreSQL came back in time');
  #isReported = false;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#ownChannel = `scoreboard_beat_${options.instance}`;
    this.#beats = new Loop(() => this.#live(), {
      everyMs: BEAT_EVERY_MS,
      restMs: BEAT_REST_MS,
      maxBackoffMs: LAST_RETRY_MS,
      onError: (error) => {
        this.#reason = error;
        this.#reportLoss();
      },
    });
  }

  get isCurrent(): boolean {
    return this.#provenAt >= performance.now() - PROOF_LASTS_MS;
  }

  /** Everything that had been committed at this time, on the clock of `performance.now()`, has been heard. */
  get provenAt(): number {
    return this.#provenAt;
  }

  listen(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Connects. Changes that commit after this has resolved are received, if the feed is current.
   * @throws if there is no connection; where a connection does not hear, the feed goes on trying
   */
  async start(): Promise<void> {
    await this.#connect();
    this.#beats.start(0);
    await this.heardAll().catch(() => {});
  }

  /**
   * Resolves once everything that was committed by then has been heard.
   * @throws Error that says why, if it takes longer than a proof lasts
   */
  async heardAll(by = performance.now()): Promise<void> {
    await this.#until(() => this.isCurrent && this.provenAt >= by, PROOF_LASTS_MS);
  }

  /** Whether it is current now, or is within a second: a process that was held up has not read yet what has come. */
  async becomesCurrent(): Promise<boolean> {
    const inTime = this.#until(() => this.isCurrent, BECOMES_WITHIN_MS);
    return await inTime.then(
      () => true,
      () => false,
    );
  }

  async #until(isSo: () => boolean, ms: number): Promise<void> {
    let isOver = false;
    const waited = async () => {
      while (!isOver && !isSo()) {
        this.#beats.request();
        await new Promise<void>((resolve) => this.#onProof.push(resolve));
      }
    };
    try {
      await withDeadline(waited(), ms, 'too late');
    } catch {
      throw new Error('Changes of other instances are not proven to arrive', { cause: this.#reason });
    } finally {
      isOver = true;
    }
  }

  async close(): Promise<void> {
    this.#isReported = true;
    await this.#beats.stop();
    this.#endWait();
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #live(): Promise<void> {
    if (this.#client === undefined) await this.#connect();
    const client = this.#client;
    const sentAt = performance.now();
    await this.#sendBeat(client);
    if (this.#client !== client) throw this.#reason;
    if (!this.#isWhole) {
      await Promise.all(this.#listeners.map((listener) => listener.onResync?.()));
      if (this.#client !== client) throw this.#reason;
      this.#isWhole = true;
    }
    this.#provenAt = sentAt;
    this.#endWait();
    this.#endWait = countDown(PROOF_LASTS_MS, () => this.#expire());
    for (const resolve of this.#onProof.splice(0)) resolve();
    if (!this.#isReported || !this.isCurrent) return;
    this.#isReported = false;
    this.#options.onBack();
  }

  async #sendBeat(client: pg.Client | undefined): Promise<void> {
    const beat = String(++this.#beat);
    const echo = new Promise<void>((resolve) => {
      this.#onEcho = resolve;
    });
    const sent = this.#options.database.query(BEAT, [this.#ownChannel, beat]);
    await withDeadline(sent, PROOF_LASTS_MS, 'PostgreSQL has not taken a heartbeat in time');
    try {
      const silence = 'PostgreSQL has taken a heartbeat, and the connection that listens has not heard it';
      await withDeadline(echo, PROOF_LASTS_MS, silence);
    } catch (error) {
      if (client !== undefined) this.#lose(client, error);
      throw error;
    }
  }

  async #connect(): Promise<void> {
    const client = await connect(this.#options.databaseUrl, {
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      application_name: 'scoreboard-api changes',
    });
    client.on('notification', ({ channel, payload }) => {
      if (channel !== this.#ownChannel) this.#receive(payload);
      else if (payload === String(this.#beat) && client === this.#client) this.#onEcho?.();
    });
    client.on('error', (error) => this.#lose(client, error));
    client.on('end', () =>
      this.#lose(client, new Error('The connection that listens for changes has ended')),
    );
    try {
      await client.query(`LISTEN ${CHANGES_CHANNEL}; LISTEN "${this.#ownChannel}"`);
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
  }

  #receive(payload: string | undefined): void {
    const change = payload === undefined ? null : parseChange(payload);
    if (change === null) this.#options.onError(new Error(`Not a change: ${payload?.slice(0, 200)}`));
    else for (const listener of this.#listeners) listener.onChange?.(change);
  }

  #lose(client: pg.Client, reason: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#isWhole = false;
    this.#reason = reason;
    client.end().catch(() => {});
    // Ends the wait for its heartbeat, so that the next connection is opened at once.
    this.#onEcho?.();
    this.#beats.request();
  }

  #expire(): void {
    // While it is being made anew, the failure of that says more than what has ended the last one.
    if (this.#client !== undefined) this.#reportLoss();
  }

  /** Only what lasts is reported: a connection that is replaced at once is not, and a late heartbeat may still prove itself. */
  #reportLoss(): void {
    if (this.#isReported || this.isCurrent) return;
    this.#isReported = true;
    this.#options.onLost(this.#reason);
  }
}
