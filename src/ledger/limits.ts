const SECOND = 1_000;
const MINUTE = 60_000;
const DAY = 86_400_000;

/** What bounds an action, for one user. */
export interface Limits {
  /** Least time from one event to the next. */
  readonly cooldownMs: number | null;
  /** Most events in a day of UTC. */
  readonly dailyLimit: number | null;
  /** How far from what is usual for the action points may be, in robust standard deviations. */
  readonly maxRobustZ?: number;
  /** Those of the action's boards that limit the points of a minute. */
  readonly boards: readonly { readonly id: string; readonly maxPointsPerMinute: number }[];
}

/** The points of the last events of an action: how many, their median, and the median of their distances to that. */
export interface Usual {
  readonly events: number;
  readonly median: number;
  readonly deviation: number;
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
  /** By action, where that is limited. */
  readonly usual?: ReadonlyMap<string, Usual>;
  /** Points that were counted for a user on a board. */
  readonly points: readonly {
    readonly userId: string;
    readonly leaderboardId: string;
    readonly at: number;
    readonly points: number;
  }[];
}

/** The limit that an attempt has exceeded: the field of its leaderboard or action, what that allows, and what it has come to. */
export interface Exceeded {
  readonly limit: 'maxPointsPerMinute' | 'maxRobustZ';
  /** Null if the limit is one of the action. */
  readonly leaderboard: string | null;
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
    const [because] = [...exceeded, ...strangeness(points, limits, past.usual?.get(actionId))];
    if (because !== undefined) return { result: 'held', because };
    for (const { id } of boards) notePoints(`${userId} ${id}`, at, points);
    return { result: 'counted' };
  });
}

/** With fewer events nobody knows what is usual. */
const FEWEST_EVENTS = 100;
/** By which a median distance of a normal distribution becomes its standard deviation. */
const PER_DEVIATION = 1.4826;
/** Points that are nearly always the same may still differ by this part. */
const LEAST_PART = 0.01;

/** Whether points are far outside of what is usual. */
function strangeness(points: number, { maxRobustZ: allowed }: Limits, usual: Usual | undefined): Exceeded[] {
  if (allowed === undefined || usual === undefined || usual.events < FEWEST_EVENTS) return [];
  const { median, deviation } = usual;
  const spread = Math.max(PER_DEVIATION * deviation, LEAST_PART * Math.abs(median), 1);
  const reached = Math.abs(points - median) / spread;
  if (reached <= allowed) return [];
  return [{ limit: 'maxRobustZ', leaderboard: null, allowed, reached: Math.round(reached * 10) / 10 }];
}
