import type pg from 'pg';
import { boundedCache } from '../bounded-cache.js';
import type { Usual } from './limits.js';

/** What is usual is learned from so many events, of the last ones of all actions. */
const EVENTS = 10_000;
const LOOKED_AT = 200_000;
const KEPT_MS = 600_000;
/** An action with few events changes soon. */
const YOUNG_MS = 30_000;
const MAX_ACTIONS = 1_000;

/** $1 an action. */
const LEARN = `
WITH known AS MATERIALIZED (
  SELECT l.points FROM (SELECT action_id, points, status FROM score_events ORDER BY id DESC LIMIT ${LOOKED_AT}) l
  WHERE l.action_id = $1 AND l.status = 'counted' LIMIT ${EVENTS}
), middle AS MATERIALIZED (
  SELECT count(*) AS events, percentile_cont(0.5) WITHIN GROUP (ORDER BY points) AS median FROM known
)
SELECT m.events, coalesce(m.median, 0) AS median,
       coalesce((SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(k.points - m.median)) FROM known k), 0) AS deviation
FROM middle m`;

interface Learned extends Usual {
  /** On the clock of `performance.now()`. */
  readonly until: number;
}

/** By database and action. */
const learned = new WeakMap<pg.Pool, ReturnType<typeof boundedCache<string, Learned>>>();

/** The usual points of these actions, learned anew every ten minutes. */
export async function usualPoints(
  pool: pg.Pool,
  actions: ReadonlySet<string>,
  ask: (text: string, values: unknown[]) => Promise<readonly Usual[]>,
): Promise<ReadonlyMap<string, Usual>> {
  const known = learned.get(pool) ?? boundedCache<string, Learned>(MAX_ACTIONS);
  learned.set(pool, known);
  const usual = new Map<string, Usual>();
  for (const action of actions) {
    const kept = known.get(action);
    if (kept !== undefined && kept.until > performance.now()) {
      usual.set(action, kept);
      continue;
    }
    const [found] = await ask(LEARN, [action]);
    if (found === undefined) continue;
    const keptMs = found.events < EVENTS ? YOUNG_MS : KEPT_MS;
    known.set(action, { ...found, until: performance.now() + keptMs });
    usual.set(action, found);
  }
  return usual;
}
