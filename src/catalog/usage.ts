import { MOST_COUNTED, USAGE_HOURS } from '../../schemas/usage.js';
import { instant, now } from '../clock.js';
import type { Queryable } from '../postgres/database.js';
import { firstKey } from '../postgres/partitions.js';
import { milliseconds } from '../postgres/sql.js';

const HOUR_MS = 3_600_000;
/** However many look, the database is asked so often, in milliseconds. */
const KEPT_MS = 5_000;

/** $1 the first id. The newest events by what they are of, and where they begin if there are more. */
const RECENT = `
WITH recent AS MATERIALIZED (
  SELECT accepted_at, action_id, boards FROM score_events WHERE id >= $1 ORDER BY id DESC LIMIT ${MOST_COUNTED}
)
SELECT 'action' AS of, action_id AS id, count(*) AS events FROM recent GROUP BY action_id
UNION ALL
SELECT 'leaderboard', board, count(*) FROM recent, jsonb_object_keys(boards) board GROUP BY board
UNION ALL
SELECT 'since', '', ${milliseconds('min(accepted_at)')} FROM recent HAVING count(*) = ${MOST_COUNTED}`;

/** How many events there were lately, by action and by leaderboard. */
export interface RecentEvents {
  readonly since: string;
  ofAction(id: string): number;
  ofLeaderboard(id: string): number;
}

/** Counts the newest events, a bounded number of them. */
export class Usage {
  readonly #database: Queryable;
  #kept: { readonly at: number; readonly recent: Promise<RecentEvents> } | undefined;

  constructor(database: Queryable) {
    this.#database = database;
  }

  recent(): Promise<RecentEvents> {
    const at = performance.now();
    if (this.#kept === undefined || at - this.#kept.at > KEPT_MS) {
      const recent = this.#read();
      this.#kept = { at, recent };
      recent.catch(() => {
        this.#kept = undefined;
      });
    }
    return this.#kept.recent;
  }

  async #read(): Promise<RecentEvents> {
    const first = now() - USAGE_HOURS * HOUR_MS;
    const { rows } = await this.#database.query<{ of: string; id: string; events: number }>(RECENT, [
      firstKey('evt', first),
    ]);
    const counts = new Map(rows.map(({ of, id, events }) => [`${of} ${id}`, events]));
    return {
      since: instant(counts.get('since ') ?? first),
      ofAction: (id) => counts.get(`action ${id}`) ?? 0,
      ofLeaderboard: (id) => counts.get(`leaderboard ${id}`) ?? 0,
    };
  }
}
