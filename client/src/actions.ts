import type { components } from './api.js';
import type { Http } from './http.js';
import { exclusively, inLine, unlessHeld } from './lock.js';
import type { HeldToken, OfflineQueue, PendingAction } from './offline-queue.js';
import { ScoreboardError } from './problem.js';
import { backoff, wait } from './retry.js';
import type { Session } from './session.js';

type Schemas = components['schemas'];

/** An action that counts, once. */
export interface Receipt extends Omit<Schemas['Receipt'], 'status'> {
  /** Held events are on no board until somebody has looked at them; undefined if that answer was lost. */
  readonly status: Schemas['Receipt']['status'] | undefined;
  /** The answer was lost, and this was learned by asking again: `leaderboards` is empty. */
  readonly replayed: boolean;
}

/** What becomes of actions, also of those that nobody waits for any more. */
export type ActionEvent = { readonly action: PendingAction } & (
  | { readonly type: 'counted'; readonly receipt: Receipt }
  | { readonly type: 'waiting'; readonly error: ScoreboardError; readonly retryInMs: number }
  | { readonly type: 'refused'; readonly error: ScoreboardError }
);

/** An action that has begun: its token, for performAction() when it is done. */
export interface BegunAction {
  readonly userId: string;
  readonly token: HeldToken;
}

export interface ActionOptions {
  /** From beginAction(). Without it the token is got when the action is done, and its shortest duration begins then. */
  readonly begun?: BegunAction | undefined;
  /** Needed where the action leaves a range. */
  readonly points?: number;
  /** A JSON object of up to 2 KiB, kept with the event. */
  readonly metadata?: Record<string, unknown>;
  /** Stops the waiting, not the action: that is kept, and counted when it can be. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds; two minutes if not given. Then the promise fails with `queued`. */
  readonly timeoutMs?: number;
}

const PATIENCE_MS = 120_000;
/** A 429 that wants a longer wait is final. */
const LONGEST_WAIT_S = 300;
const DAY_MS = 86_400_000;
/** So long after a token was sent without an answer, the service has either counted it or never will. */
const SETTLED_AFTER_MS = 60_000;
/** The service remembers used tokens for a day after they expire. */
const REMEMBERED_MS = DAY_MS * 0.9;

/**
 * Sends finished actions until each is counted or refused.
 *
 * *queued* (in the storage) → *token* (it has an action token, also in the storage before it is sent) → *counted* or
 * *refused* (out of the storage). A token counts once at the service, so it may be sent again and again. What must never
 * happen is that an action gets a second token while the first may still count. So each action has a lock, which whoever
 * sends it holds, and a token is given up only when the service says that it has expired unused.
 */
export class Actions {
  readonly #http: Http;
  readonly #session: Session;
  readonly #queue: OfflineQueue;
  readonly #lock: string;
  readonly #tell: (event: ActionEvent) => void;
  readonly #line = Math.random().toString(36);
  readonly #closing = new AbortController();

  constructor(
    http: Http,
    session: Session,
    queue: OfflineQueue,
    lock: string,
    tell: (event: ActionEvent) => void,
  ) {
    this.#http = http;
    this.#session = session;
    this.#queue = queue;
    this.#lock = lock;
    this.#tell = tell;
  }

  async begin(action: string, signal?: AbortSignal): Promise<BegunAction> {
    const { actionToken, tokenId, userId, points, notBefore } = await this.#session.call(
      (headers, limit) => this.#http.POST('/v1/action-tokens', { body: { action }, headers, signal: limit }),
      signal,
    );
    const durationMs = Math.max(0, Date.parse(notBefore) - timeOf(tokenId));
    return { userId, token: { actionToken, points, durationMs, readyAt: Date.now() + durationMs } };
  }

  async perform(action: string, options: ActionOptions = {}): Promise<Receipt> {
    const { begun, points, metadata, signal, timeoutMs = PATIENCE_MS } = options;
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    if (this.#queue.isFull) throw new ScoreboardError('queue-full', 'Too many actions wait to be counted.');
    const userId = this.#session.user?.id;
    const pending: PendingAction = {
      id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`,
      action,
      doneAt: Date.now(),
      ...(points !== undefined && { points }),
      ...(metadata && { metadata }),
      ...(userId && { userId }),
      ...(begun && begun.userId === userId && { token: begun.token }),
    };
    const counted = exclusively(this.#lockOf(pending), () => {
      this.#queue.put(pending);
      return this.#send(pending);
    });
    return patiently(counted, timeoutMs, signal);
  }

  /** Sends what an earlier page has left, or the user that is back now. */
  resume(): void {
    for (const { id } of this.#queue.all) {
      void unlessHeld(this.#lockOf({ id }), async () => {
        const pending = this.#queue.all.find((known) => known.id === id);
        if (pending) await this.#send(pending).catch(() => {});
      });
    }
  }

  /** Stops sending; what is not counted stays in the storage. */
  close(): void {
    this.#closing.abort(new ScoreboardError('queued', 'The client was closed.'));
  }

  /** Those of one action one after the other, so that they count in the order in which they were done. */
  #send(pending: PendingAction): Promise<Receipt> {
    return inLine(`${this.#line}:${pending.action}`, () => this.#deliver(pending));
  }

  /** To be called under the lock of the action. Every wait ends, and so do the tries: a day after it was done. */
  async #deliver(pending: PendingAction): Promise<Receipt> {
    for (let failures = 0; ; failures++) {
      try {
        const receipt = await this.#attempt(pending);
        this.#queue.remove(pending.id);
        this.#tell({ type: 'counted', action: pending, receipt });
        return receipt;
      } catch (error) {
        if (!(error instanceof ScoreboardError) || error.code === 'queued') throw error;
        // The session is over. If the same user comes back, so does the action.
        if (error.status === 401) throw error;
        const retryAfter = error.retryAfter ?? 0;
        const isOld = Math.abs(Date.now() - pending.doneAt) > DAY_MS;
        if (!error.mayPass || retryAfter > LONGEST_WAIT_S || isOld) {
          this.#queue.remove(pending.id);
          this.#tell({ type: 'refused', action: pending, error });
          throw error;
        }
        const retryInMs = retryAfter * 1_000 + backoff(failures);
        this.#tell({ type: 'waiting', action: pending, error, retryInMs });
        await wait(retryInMs, this.#closing.signal);
      }
    }
  }

  /** One try to get a token, if there is none, and to send it. Keeps in the storage what the next try must know. */
  async #attempt({ id }: PendingAction): Promise<Receipt> {
    const { user } = await this.#session.access();
    const pending = this.#queue.all.find((known) => known.id === id);
    if (pending === undefined) throw new ScoreboardError('queued', 'The storage has lost this action.');
    const userId = pending.userId ?? user.id;
    if (userId !== user.id) throw new ScoreboardError('queued', 'This action waits until its user is back.');
    const token = pending.token ?? (await this.#tokenFor({ ...pending, userId }));
    const left = Math.min(token.durationMs, token.readyAt - Date.now());
    if (left > 0) await wait(left, this.#closing.signal);
    const keep = (changed: HeldToken | null) => {
      const { token: _, ...rest } = pending;
      this.#queue.put({ ...rest, userId, ...(changed && { token: changed }) });
    };
    // Before it is sent: the page may be closed at any moment.
    keep({ ...token, doubtfulSince: Date.now() });
    const { actionToken } = token;
    const { action, points, metadata } = pending;
    const body = { actionToken, ...(points !== undefined && { points }), ...(metadata && { metadata }) };
    try {
      const receipt = await this.#session.call(
        (headers, signal) => this.#http.POST('/v1/scores', { body, headers, signal }),
        this.#closing.signal,
      );
      return { ...receipt, replayed: false };
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      const { code, original, status } = error;
      if (code === 'action-token-replayed' && original) {
        const worth = points ?? token.points.min;
        return {
          ...original,
          userId,
          action,
          points: worth,
          status: undefined,
          leaderboards: [],
          replayed: true,
        };
      }
      // A sure no to this try. It says nothing about the tries before.
      if (status >= 400 && status < 500) keep(token);
      if (code === 'action-token-premature') throw again(1, error);
      if (code !== 'action-token-expired') throw error;
      const settled = settledFor(token);
      if (settled < 0) throw again(-settled / 1_000, error);
      if (settled > REMEMBERED_MS) throw error;
      keep(null);
      throw again(0, error);
    }
  }

  async #tokenFor(pending: PendingAction): Promise<HeldToken> {
    const { userId, token } = await this.begin(pending.action, this.#closing.signal);
    if (userId !== pending.userId)
      throw new ScoreboardError('queued', 'This action waits until its user is back.');
    this.#queue.put({ ...pending, token });
    return token;
  }

  #lockOf({ id }: Pick<PendingAction, 'id'>): string {
    return `${this.#lock}:${id}`;
  }
}

const again = (retryAfter: number, cause: ScoreboardError) =>
  new ScoreboardError('service-unavailable', cause.message, { status: 503, retryAfter, cause });

/** How long ago the service knew what had become of a token, in milliseconds; less than 0 if that is still to come. */
function settledFor({ doubtfulSince }: HeldToken): number {
  if (doubtfulSince === undefined) return 0;
  const since = Date.now() - doubtfulSince;
  // The clock was set back: nothing is known.
  return since < 0 ? Number.POSITIVE_INFINITY : since - SETTLED_AFTER_MS;
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
/** When an id was made, by the clock of the service, in milliseconds: it is a UUIDv7 in base32 with a prefix of four. */
const timeOf = (id: string): number =>
  [...id.slice(4, 14)].reduce((time, digit) => time * 32 + DIGITS.indexOf(digit), 0);

/** Waits for something that goes on without. */
function patiently<T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const timer = setTimeout(
      () => reject(new ScoreboardError('queued', 'Not counted yet. It is kept, and sent when it can be.')),
      timeoutMs,
    );
    signal?.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    });
  });
}
