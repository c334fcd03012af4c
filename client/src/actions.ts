import type { components } from './api.js';
import { exclusively, inLine } from './lock.js';
import type { HeldToken, OfflineQueue, PendingAction } from './offline-queue.js';
import { ScoreboardError } from './problem.js';
import { backoff, orAbort, orTimeout, wait } from './retry.js';
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
  /** From beginAction(), good for one action. Without it the token is got when the action is done, and its shortest duration begins then. */
  readonly begun?: BegunAction;
  /** Needed where the action leaves a range. */
  readonly points?: number;
  /** A JSON object of up to 2 KiB, kept with the event. */
  readonly metadata?: Record<string, unknown>;
  /** Stops the waiting, not the action: that is kept, and counted when it can be. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds; two minutes if not given. Then the promise fails with `queued`. */
  readonly timeoutMs?: number;
}

/** How many actions may wait. */
const CAPACITY = 64;
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
export function actionsOf(
  session: Session,
  queue: OfflineQueue,
  lock: string,
  tell: (event: ActionEvent) => void,
) {
  const closing = new AbortController();
  const { signal } = closing;
  const line = lock + Math.random();
  /** Actions that are not in the queue yet, because their lock is not held yet. */
  let arriving = 0;

  async function perform(action: string, options: ActionOptions = {}): Promise<Receipt> {
    const { begun, points, metadata, timeoutMs = PATIENCE_MS } = options;
    options.signal?.throwIfAborted();
    signal.throwIfAborted();
    if (queue.all().length + arriving >= CAPACITY)
      throw new ScoreboardError('queue-full', 'Too many actions wait already.');
    const doneAt = Date.now();
    const userId = session.user()?.id;
    const pending = {
      id: doneAt + Math.random().toString(36).slice(1),
      action,
      points,
      metadata,
      doneAt,
      userId,
      // Somebody else's token would be refused.
      token: begun?.userId === userId ? begun?.token : undefined,
    };
    arriving++;
    const counted = exclusively(lock + pending.id, () => {
      arriving--;
      queue.put(pending);
      return send(pending);
    });
    return orAbort(orTimeout(counted, timeoutMs, queued('It is kept, and sent later.')), options.signal);
  }

  /** Sends what an earlier page has left, or the user that is back now; what another tab is about, if that is closed. */
  function resume(): void {
    for (const pending of queue.all()) {
      const sent = exclusively(lock + pending.id, async () => {
        if (queue.find(pending.id)) await send(pending);
      });
      // Told as an event.
      sent.catch(() => {});
    }
  }

  /** Those of one action one after the other, so that they count in the order in which they were done. */
  const send = (pending: PendingAction) => inLine(line + pending.action, () => deliver(pending));

  /** To be called under the lock of the action. Every wait ends, and so do the tries: a day after it was done. */
  async function deliver(action: PendingAction): Promise<Receipt> {
    for (let failures = 0; ; failures++) {
      try {
        const receipt = await attempt(action.id);
        queue.remove(action.id);
        tell({ type: 'counted', action, receipt });
        return receipt;
      } catch (error) {
        // With a 401 the session is over. If the same user comes back, so does the action.
        if (!(error instanceof ScoreboardError) || error.code === 'queued' || error.status === 401)
          throw error;
        const { retryAfter = 0 } = error;
        if (!error.mayPass || retryAfter > LONGEST_WAIT_S || Date.now() - action.doneAt > DAY_MS) {
          queue.remove(action.id);
          tell({ type: 'refused', action, error });
          throw error;
        }
        const retryInMs = retryAfter * 1_000 + backoff(failures);
        tell({ type: 'waiting', action, error, retryInMs });
        await wait(retryInMs, signal);
      }
    }
  }

  /** One try to get a token, if there is none, and to send it. Keeps in the storage what the next try must know. */
  async function attempt(id: string): Promise<Receipt> {
    const { user } = await session.access();
    const pending = queue.find(id);
    if (!pending) throw queued('The storage has lost it.');
    pending.userId ??= user.id;
    if (pending.userId !== user.id) throw queued(AWAY);
    if (!pending.token) {
      const begun = await begin(pending.action, signal);
      if (begun.userId !== user.id) throw queued(AWAY);
      pending.token = begun.token;
    }
    queue.put(pending);
    const { token, userId, action, points, metadata } = pending;
    const { actionToken, doubtfulSince } = token;
    await wait(Math.min(token.durationMs, token.readyAt - Date.now()), signal);
    // Before it is sent: the page may be closed at any moment.
    token.doubtfulSince = Date.now();
    queue.put(pending);
    try {
      const receipt = await session.call(
        (http, signal) => http.POST('/v1/scores', { body: { actionToken, points, metadata }, signal }),
        signal,
      );
      return { ...receipt, replayed: false };
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      const { code, original, status } = error;
      if (original) {
        const worth = points ?? token.points;
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
      if (status >= 400 && status < 500) token.doubtfulSince = doubtfulSince;
      const isExpired = code === 'action-token-expired';
      const unsettledMs = isExpired ? unsettledFor(doubtfulSince) : 0;
      if (isExpired && unsettledMs === 0) pending.token = undefined;
      queue.put(pending);
      if (code === 'action-token-premature' || (isExpired && unsettledMs < DAY_MS))
        throw new ScoreboardError(code, error.message, { status: 503, retryAfter: unsettledMs / 1_000 });
      throw error;
    }
  }

  /** Gets a token, whose duration begins now. */
  async function begin(action: string, abort?: AbortSignal): Promise<BegunAction> {
    const { actionToken, tokenId, userId, points, notBefore } = await session.call(
      (http, signal) => http.POST('/v1/action-tokens', { body: { action }, signal }),
      abort,
    );
    const durationMs = Date.parse(notBefore) - timeOf(tokenId);
    const token = { actionToken, points: points.min, durationMs, readyAt: Date.now() + durationMs };
    return { userId, token };
  }

  return {
    begin,
    perform,
    resume,
    /** Stops sending; what is not counted stays in the storage. */
    close: () => closing.abort(queued('The client was closed.')),
  };
}

const AWAY = 'It waits until its user is back.';
const queued = (why: string) => new ScoreboardError('queued', `Not counted yet. ${why}`);

/**
 * How long it still is, in milliseconds, until the service surely knows what has become of a token that was sent without an
 * answer; for ever if it may have forgotten.
 */
function unsettledFor(doubtfulSince: number | undefined): number {
  if (doubtfulSince === undefined) return 0;
  const since = Date.now() - doubtfulSince;
  // Less than nothing: the clock was set back, so nothing is known.
  return since < 0 || since > REMEMBERED_MS
    ? Number.POSITIVE_INFINITY
    : Math.max(0, SETTLED_AFTER_MS - since);
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
/** When an id was made, by the clock of the service, in milliseconds: it is a UUIDv7 in base32 with a prefix of four. */
const timeOf = (id: string): number =>
  [...id.slice(4, 14)].reduce((time, digit) => time * 32 + DIGITS.indexOf(digit), 0);
