const SECOND = 1_000;
const MINUTE = 60_000;
const DAY = 86_400_000;

/** What bounds an action, for one user. */
export interface Limits {
  /** Least time from one event to the next. */
  readonly cooldownMs: number | null;
  /** Most events in a day of UTC. */
  readonly dailyLimit: number | null;
  /** Those of the action's boards that limit the points of a minute. */
  readonly boards: readonly { readonly id: string; readonly maxPointsPerMinute: number }[];
}

/** Times are in milliseconds since 1970, on the clock of the database, as they are written. */
export interface Attempt {
  readonly userId: string;
  readonly actionId: string;
  readonly points: number;
  readonly at: number;
  readonly limits: Limits;
}

/** What is in the ledger already, as far as attempts can come up against it. Nothing in it is voided. */
export interface Past {
  /** How often a user has done something on a day, and when the last time. */
  readonly days: readonly {
    readonly userId: string;
    readonly actionId: string;
    readonly day: number;
    readonly count: number;
    readonly last: number;
  }[];
  /** Points that were counted for a user on a board. */
  readonly points: readonly {
    readonly userId: string;
    readonly leaderboardId: string;
    readonly at: number;
    readonly points: number;
  }[];
}

/** The limit that an attempt has exceeded: the field of its leaderboard, what that allows, and how many points it has come to. */
export interface Exceeded {
  readonly limit: 'maxPointsPerMinute';
  readonly leaderboard: string;
  readonly allowed: number;
  readonly reached: number;
}

/** *Held* is kept but not counted. A *refused* attempt makes sense again after `retryAfter` seconds. */
export type Verdict =
  | { readonly result: 'counted' }
  | { readonly result: 'held'; readonly because: Exceeded }
  | { readonly result: 'refused'; readonly retryAfter: number };

/** The day of UTC, from 1970. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY);

/** Since when the past matters to an action, or null if it does not. */
export function actionSince({ at, limits: { cooldownMs, dailyLimit } }: Attempt): number | null {
  if (cooldownMs === null && dailyLimit === null) return null;
  return Math.min(at - (cooldownMs ?? 0), dailyLimit === null ? at : dayOf(at) * DAY);
}

/** Since when points matter to the boards. */
export const pointsSince = ({ at }: Attempt): number => at - MINUTE;

/**
 * Judges attempts in their order. One that is not refused counts for those after it: one that is held too, except for
 * the points of a minute.
 */
export function judge(attempts: readonly Attempt[], past: Past): Verdict[] {
  const counts = new Map<string, number>();
  const lasts = new Map<string, number>();
  const scored = new Map<string, { at: number; points: number }[]>();
  const note = (key: string, day: number, count: number, last: number) => {
    counts.set(`${key} ${day}`, (counts.get(`${key} ${day}`) ?? 0) + count);
    lasts.set(key, Math.max(lasts.get(key) ?? Number.NEGATIVE_INFINITY, last));
  };
  const notePoints = (key: string, at: number, points: number) => {
    const known = scored.get(key);
    if (known === undefined) scored.set(key, [{ at, points }]);
    else known.push({ at, points });
  };
  for (const { userId, actionId, day, count, last } of past.days)
    note(`${userId} ${actionId}`, day, count, last);
  for (const { userId, leaderboardId, at, points } of past.points)
    notePoints(`${userId} ${leaderboardId}`, at, points);

  return attempts.map(({ userId, actionId, points, at, limits }): Verdict => {
    const { cooldownMs, dailyLimit, boards } = limits;
    const key = `${userId} ${actionId}`;
    const day = dayOf(at);
    const ready = cooldownMs === null ? at : (lasts.get(key) ?? Number.NEGATIVE_INFINITY) + cooldownMs;
    const isFull = dailyLimit !== null && (counts.get(`${key} ${day}`) ?? 0) >= dailyLimit;
    const wait = Math.max(ready - at, isFull ? (day + 1) * DAY - at : 0);
    if (wait > 0) return { result: 'refused', retryAfter: Math.ceil(wait / SECOND) };
    note(key, day, 1, at);
    const exceeded = boards.flatMap(({ id, maxPointsPerMinute: allowed }): Exceeded[] => {
      const lately = (scored.get(`${userId} ${id}`) ?? []).filter((other) => other.at > at - MINUTE);
      // What was lost makes no room: where the best counts, losing costs nothing.
      const reached = lately.reduce((sum, other) => sum + Math.max(other.points, 0), points);
      if (points <= 0 || reached <= allowed) return [];
      return [{ limit: 'maxPointsPerMinute', leaderboard: id, allowed, reached }];
    });
    const [because] = exceeded;
    if (because !== undefined) return { result: 'held', because };
    for (const { id } of boards) notePoints(`${userId} ${id}`, at, points);
    return { result: 'counted' };
  });
}
