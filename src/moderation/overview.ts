import { MOST_HELD, MOST_SCANNED, OVERVIEW_MINUTES, type Overview } from '../../schemas/overview.js';
import { instant, now } from '../clock.js';
import type { Queryable } from '../postgres/database.js';
import { firstKey, timeOfKey } from '../postgres/partitions.js';
import { milliseconds } from '../postgres/sql.js';

const MINUTE_MS = 60_000;
/** A score is written or refused so long after its id was made, in milliseconds. */
const WRITTEN_WITHIN_MS = 15_000;
const PLAYERS_MS = 5 * MINUTE_MS;
/** However many look, the database is asked so often, in milliseconds. */
const KEPT_MS = 2_000;

/** Only ids are read, which their index has, and of each minute no more than `MOST_SCANNED`. */
const SCORES = `
SELECT m.i::int AS i, count(e.id)::int AS count, max(e.id::text) AS last
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY m(first, next, i)
CROSS JOIN LATERAL (
  SELECT id FROM score_events WHERE id >= m.first AND id < m.next ORDER BY id LIMIT ${MOST_SCANNED}
) e GROUP BY m.i`;

const PLAYERS = `
SELECT count(DISTINCT user_id)::int AS count, count(*) = ${MOST_SCANNED} AS "isMore"
FROM (SELECT user_id FROM score_events WHERE id >= $1 ORDER BY id DESC LIMIT ${MOST_SCANNED}) e`;

const HELD = `
SELECT least(count(*), ${MOST_HELD})::int AS count, count(*) > ${MOST_HELD} AS "isMore"
FROM (SELECT FROM score_events WHERE status = 'held' LIMIT ${MOST_HELD + 1}) e`;

const SEASONS = `
SELECT s.leaderboard_id AS leaderboard, l.title, s.season, s.label, ${milliseconds('s.ends_at')} AS "endsAt"
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id
WHERE s.state = 'open' AND s.ends_at < 'infinity' AND s.ends_at > $1 AND s.starts_at <= $1 AND l.removed_at IS NULL
ORDER BY s.ends_at, s.leaderboard_id LIMIT 5`;

type Stored = Pick<Overview, 'scores' | 'players' | 'held' | 'seasons'>;

/** What all instances have done lately, from PostgreSQL: a few queries with bounds, however much there is. */
export class RecentActivity {
  readonly #database: Queryable;
  /** Of minutes that are over: how many scores, by the start of the minute. */
  readonly #minutes = new Map<number, number>();
  #kept: { readonly at: number; readonly stored: Promise<Stored> } | undefined;

  constructor(database: Queryable) {
    this.#database = database;
  }

  read(): Promise<Stored> {
    const at = performance.now();
    if (this.#kept === undefined || at - this.#kept.at > KEPT_MS) {
      const stored = this.#ask();
      this.#kept = { at, stored };
      stored.catch(() => {
        if (this.#kept?.stored === stored) this.#kept = undefined;
      });
    }
    return this.#kept.stored;
  }

  async #ask(): Promise<Stored> {
    const time = now();
    const [scores, players, held, seasons] = await Promise.all([
      this.#scores(time),
      this.#database.query<Stored['players']>(PLAYERS, [firstKey('evt', time - PLAYERS_MS)]),
      this.#database.query<Stored['held']>(HELD),
      this.#database.query<Omit<Stored['seasons'][number], 'endsAt'> & { endsAt: number }>(SEASONS, [
        new Date(time),
      ]),
    ]);
    const none = { count: 0, isMore: false };
    return {
      scores,
      players: players.rows[0] ?? none,
      held: held.rows[0] ?? none,
      seasons: seasons.rows.map((season) => ({ ...season, endsAt: instant(season.endsAt) })),
    };
  }

  async #scores(time: number): Promise<number[]> {
    const current = Math.floor(time / MINUTE_MS) * MINUTE_MS;
    const starts = Array.from(
      { length: OVERVIEW_MINUTES },
      (_, i) => current - (OVERVIEW_MINUTES - i) * MINUTE_MS,
    );
    for (const start of this.#minutes.keys())
      if (start < current - OVERVIEW_MINUTES * MINUTE_MS) this.#minutes.delete(start);
    const unknown = starts.filter((start) => !this.#minutes.has(start));
    const counts = new Map(this.#minutes);
    if (unknown.length > 0) {
      const { rows } = await this.#database.query<{ i: number; count: number; last: string }>(SCORES, [
        unknown.map((start) => firstKey('evt', start)),
        unknown.map((start) => firstKey('evt', start + MINUTE_MS)),
      ]);
      for (const { i, count, last } of rows) {
        const start = unknown[i - 1] ?? 0;
        const seen = Math.max(timeOfKey(last) - start, 1);
        counts.set(start, count < MOST_SCANNED ? count : Math.round((count * MINUTE_MS) / seen));
      }
      // Scores with ids of the last minute may still be on their way.
      for (const start of unknown)
        if (start + MINUTE_MS + WRITTEN_WITHIN_MS < time) this.#minutes.set(start, counts.get(start) ?? 0);
    }
    return starts.map((start) => counts.get(start) ?? 0);
  }
}
