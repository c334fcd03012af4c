import type { components } from './api.js';
import { backoff } from './backoff.js';
import { exclusively, inLine } from './lock.js';
import type { HeldToken, OfflineQueue, PendingAction } from './offline-queue.js';
import { ScoreboardError } from './problem.js';
import { orAbort, orTimeout, wait } from './retry.js';
import { endsSession, type Session } from './session.js';

type Schemas = components['schemas'];

/** The result of an action that has counted. */
export interface Receipt extends Omit<Schemas['Receipt'], 'status' | 'now'> {
  /** A held event is on no board until an administrator has released it. Undefined if the response was lost. */
  readonly status: Schemas['Receipt']['status'] | undefined;
  /** The time of the service when it answered. Undefined if the response was lost. */
  readonly now: string | undefined;
  /** Whether the response was lost and a retry found that the action had counted: `leaderboards` is then empty. */
  readonly replayed: boolean;
}

/** The progress of actions, including those whose promise has timed out. */
export type ActionEvent = { readonly action: PendingAction } & (
  | { readonly type: 'counted'; readonly receipt: Receipt }
  | { readonly type: 'waiting'; readonly error: ScoreboardError; readonly retryInMs: number }
  | { readonly type: 'refused'; readonly error: ScoreboardError }
);

/** An action that has begun, with its token: pass it to performAction() when the action is finished. */
export interface BegunAction {
  readonly userId: string;
  readonly token: HeldToken;
}

export interface ActionOptions {
  /** From beginAction(), for one action. Without it the token is requested when the action is finished, and its minimum duration begins then. */
  readonly begun?: BegunAction;
  /** Required if the action has a range of points. */
  readonly points?: number;
  /** A JSON object of up to 2 KiB, stored with the event. */
  readonly metadata?: Record<string, unknown>;
  /** Rejects the promise, but does not cancel the action: it is still sent. */
  readonly signal?: AbortSignal;
  /** Time after which the promise rejects with `queued`, in milliseconds; two minutes by default. */
  readonly timeoutMs?: number;
}

/** Maximum number of pending actions. */
const CAPACITY = 64;
const PATIENCE_MS = 120_000;
/** A 429 with a longer `Retry-After` is final. */
const LONGEST_WAIT_S = 300;
const DAY_MS = 86_400_000;
/** After this time, the service has either counted a token that was sent without a response, or never will. */
const SETTLED_AFTER_MS = 60_000;
/** The service remembers used tokens for a day after they expire. */
const REMEMBERED_MS = DAY_MS * 0.9;

/**
 * Sends finished actions until each is counted or rejected.
 *
 * *queued* (in the storage) → *token* (it has an action token, also in the storage before it is sent) → *counted* or
 * *refused* (out of the storage). A token counts once, so it may be sent repeatedly. But an action must never get a second
 * token while the first may still count. So the tab that sends an action holds its lock, and a token is replaced only when
 * the service says that it has expired unused.
 */
export function actionsOf(
  session: Session,
  queue: OfflineQueue,
  lock: string,
  report: (event: ActionEvent) => void,
) {
  const closing = new AbortController();
  const { signal } = closing;
  const line = lock + Math.random();
  /** A token counts once, so another action with the same one gets its own. */
  const used = new WeakSet<HeldToken>();

  async function perform(action: string, options: ActionOptions = {}): Promise<Receipt> {
    const { begun, points, metadata, timeoutMs = PATIENCE_MS } = options;
    options.signal?.throwIfAborted();
    if (queue.all().length >= CAPACITY)
      throw new ScoreboardError('queue-full', 'Too many actions are waiting.');
    const doneAt = Date.now();
    const userId = session.user()?.id;
    // The token of another user would be rejected.
    const isUsable = begun && begun.userId === userId && !used.has(begun.token);
    if (isUsable) used.add(begun.token);
    const pending = {
      id: doneAt + Math.random().toString(36).slice(1),
      action,
      points,
      metadata,
      doneAt,
      userId,
      token: isUsable ? { ...begun.token } : undefined,
    };
    // Stored before anything is waited for, because the page may be closed at any moment.
    queue.put(pending);
    signal.throwIfAborted();
    const late = queued('It is stored, and will be sent later.');
    const counted = exclusively(lock + pending.id, async () => {
      const left = queue.find(pending.id);
      if (left) return send(left, late);
      throw new ScoreboardError('queued', 'Another tab has sent it, and has its outcome.');
    });
    return orAbort(orTimeout(counted, timeoutMs, late), options.signal);
  }

  /** Sends pending actions of an earlier page, or of a user who has logged in again. Waits for those that another tab sends. */
  function resume(): void {
    for (const pending of queue.all()) {
      const sent = exclusively(lock + pending.id, async () => {
        const left = queue.find(pending.id);
        if (left) await send(left);
      });
      // Reported as an event.
      sent.catch(() => {});
    }
  }

  /** Submissions of the same action are sent one after the other, so that they count in order. */
  const send = (pending: PendingAction, late?: Error) =>
    inLine(line + pending.action, () => deliver(pending, late));

  /**
   * Call it with the lock of the action held. Then `action` is the newest state, even if other tabs overwrite the queue in
   * the storage. All waits are limited, and so are the retries: to a day after the action was finished.
   * @param late gets the error of the last attempt as its cause
   */
  async function deliver(action: PendingAction, late?: Error): Promise<Receipt> {
    for (let failures = 0; ; failures++) {
      try {
        const receipt = await attempt(action);
        queue.remove(action.id);
        report({ type: 'counted', action, receipt });
        return receipt;
      } catch (error) {
        if (!(error instanceof ScoreboardError) || error.code === 'queued') throw error;
        // When the user of a session that has ended logs in again, the action is sent again.
        if (endsSession(error) && !isOld(action)) throw error;
        const { retryAfter = 0 } = error;
        if (!error.mayPass || retryAfter > LONGEST_WAIT_S || isOld(action)) {
          queue.remove(action.id);
          report({ type: 'refused', action, error });
          throw error;
        }
        if (late) late.cause = error;
        const askedFor = retryAfter * 1_000;
        const pause = backoff(failures);
        report({ type: 'waiting', action, error, retryInMs: askedFor + pause });
        await wait(askedFor, signal);
        await wait(pause, signal, 'or online');
      }
    }
  }

  /** One attempt: requests a token if there is none, and sends it. Stores the state that the next attempt needs. */
  async function attempt(pending: PendingAction): Promise<Receipt> {
    const { user } = await session.access(signal);
    pending.userId ??= user.id;
    if (pending.userId !== user.id) throw away(pending);
    if (!pending.token) {
      const begun = await begin(pending.action, signal);
      if (begun.userId !== user.id) throw away(pending);
      pending.token = begun.token;
    }
    queue.put(pending);
    const { token, userId, action, points, metadata } = pending;
    const { actionToken, doubtfulSince } = token;
    await wait(Math.min(token.durationMs, token.readyAt - Date.now()), signal);
    if (session.user()?.id !== userId) throw away(pending);
    // Stored before sending, because the page may be closed at any moment.
    token.doubtfulSince = Date.now();
    queue.put(pending);
    try {
      const receipt = await session.call(
        (http, signal) => http.POST('/v1/scores', { body: { actionToken, points, metadata }, signal }),
        signal,
        // With the session of another user the token would be rejected.
        userId,
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
          now: undefined,
          leaderboards: [],
          replayed: true,
        };
      }
      // This attempt certainly did not count, by the word of the service. Earlier attempts may have.
      if (status >= 400 && status < 500 && code !== 'unexpected-answer') token.doubtfulSince = doubtfulSince;
      const isExpired = code === 'action-token-expired';
      const unsettledMs = isExpired ? unsettledFor(doubtfulSince) : 0;
      if (isExpired && unsettledMs === 0) pending.token = undefined;
      queue.put(pending);
      // Another user has logged in meanwhile.
      if (endsSession(error) && session.user() && session.user()?.id !== userId) throw away(pending);
      if (code === 'action-token-premature' || (isExpired && unsettledMs < DAY_MS))
        throw new ScoreboardError(code, error.message, { status: 503, retryAfter: unsettledMs / 1_000 });
      throw error;
    }
  }

  /** Requests a token; its minimum duration begins now. */
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
    /** Stops sending; actions that have not counted stay in the storage. */
    close: () => closing.abort(queued('The client was closed.')),
  };
}

const isOld = ({ doneAt }: PendingAction) => Date.now() - doneAt > DAY_MS;
const away = (pending: PendingAction) =>
  isOld(pending)
    ? new ScoreboardError('unauthenticated', 'Its user has not logged in again.')
    : queued('It waits until its user logs in again.');
const queued = (why: string) => new ScoreboardError('queued', `Not counted yet. ${why}`);

/**
 * Milliseconds until the service certainly knows the outcome of a token that was sent without a response; infinite if it may
 * already have forgotten the token.
 */
function unsettledFor(doubtfulSince: number | undefined): number {
  if (doubtfulSince === undefined) return 0;
  const since = Date.now() - doubtfulSince;
  // A negative time: the clock was set back, so the age is unknown.
  return since < 0 || since > REMEMBERED_MS
    ? Number.POSITIVE_INFINITY
    : Math.max(0, SETTLED_AFTER_MS - since);
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
/** When an id was created, by the clock of the service, in milliseconds: it is a UUIDv7 in base32 after a prefix of four. */
const timeOf = (id: string): number =>
  [...id.slice(4, 14)].reduce((time, digit) => time * 32 + DIGITS.indexOf(digit), 0);
