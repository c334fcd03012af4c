import { LRUCache } from 'lru-cache';
import type { Action } from '../../schemas/action.js';
import type { PublicMetadata } from '../../schemas/leaderboard.js';
import { isVisible } from '../../schemas/visible-text.js';
import type { BoardKey } from '../board-key.js';
import { CLOCK_SLACK_MS } from '../ids.js';
import type { Queryable } from '../postgres/database.js';
import { firstKey } from '../postgres/partitions.js';
import { timestampAt } from '../postgres/sql.js';
import { toUuids, withIds } from '../stored-ids.js';
import type { Entry } from './entry.js';

/** The public keys of metadata, by action. Another object when an action has changed. */
export type PublicKeys = ReadonlyMap<string, readonly string[]>;

/** The keys of all actions that make some public, and the leaderboards that these actions feed. */
export interface PublicKeysOfAll {
  readonly keys: PublicKeys;
  readonly leaderboards: ReadonlySet<string>;
}

export function publicKeysOf(actions: readonly Action[]): PublicKeysOfAll {
  const open = actions.filter(({ publicMetadata = [] }) => publicMetadata.length > 0);
  return {
    keys: new Map(open.map(({ id, publicMetadata = [] }) => [id, publicMetadata])),
    leaderboards: new Set(open.flatMap(({ leaderboards }) => leaderboards)),
  };
}

/** Two batches may be recorded in the other order than that of their times: a better score then keeps the later time of the worse. */
const ORDER_UNKNOWN_MS = 10_000;

/**
 * The event that made the score of the entry `of`, which has `user_id`, `score` and `achieved_at`, as a query of at most one row: the
 * event at that time. Of several at once it is the last; one that has added nothing has not made the score.
 * @param span a condition on the id of the event `e`, by which PostgreSQL finds its month
 */
export const eventBehind = (
  of: string,
  operator: string,
  leaderboard: string,
  season: string,
  span: string,
): string => `
SELECT e.action_id, e.metadata FROM score_events e
WHERE ${span} AND e.user_id = ${of}.user_id AND e.status = 'counted'
  AND e.accepted_at > ${of}.achieved_at - ${ORDER_UNKNOWN_MS} * interval '1 millisecond' AND e.accepted_at <= ${of}.achieved_at
  AND (e.accepted_at = ${of}.achieved_at OR ${operator} = 'best') AND (e.points = ${of}.score OR ${operator} = 'increment')
  AND e.boards @> jsonb_build_object(${leaderboard}, ${season})
ORDER BY e.accepted_at DESC, (e.points <> 0) DESC, e.id DESC LIMIT 1`;

/**
 * $1 a leaderboard, $2 its season, $3 users, $4 their scores, $5 when these were reached, $6 and $7 between which ids the events are.
 * Of an event that is archived, what the entry shows of it is kept.
 */
const OF_ENTRIES = `
SELECT p.user_id AS "userId", coalesce(e.action_id, a.action_id) AS action, coalesce(e.metadata, a.metadata)::text AS metadata
FROM (SELECT user_id, score, ${timestampAt('at')} AS achieved_at, first, last
      FROM unnest($3::uuid[], $4::bigint[], $5::float8[], $6::uuid[], $7::uuid[]) u (user_id, score, at, first, last)) p
JOIN seasons r ON r.leaderboard_id = $1 AND r.season = $2
LEFT JOIN LATERAL (
  ${eventBehind('p', "(r.rules->>'operator')", '$1::text', '$2::int', 'e.id >= p.first AND e.id < p.last')}
) e ON true
LEFT JOIN archived_standings a
  ON a.leaderboard_id = $1 AND a.season = $2 AND a.user_id = p.user_id AND a.achieved_at = p.achieved_at
WHERE coalesce(e.metadata, a.metadata) IS NOT NULL`;

interface Row {
  readonly userId: string;
  readonly action: string;
  /** As JSON. */
  readonly metadata: string;
}

const MAX_BYTES = 16 * 2 ** 20;
/** One of two events at the same time may be voided, which changes no entry. */
const KEPT_MS = 60_000;
/** What an entry in memory takes besides its text. */
const ENTRY_BYTES = 256;
/** Longer text is not shown. */
const MAX_TEXT = 256;

/** The metadata of the events that made the scores of entries. */
export class EntryMetadata {
  readonly #database: Queryable;
  /** By board, user, score and when it was reached: an entry with these is of the same event again. */
  readonly #known = new LRUCache<string, Row>({
    maxSize: MAX_BYTES,
    ttl: KEPT_MS,
    sizeCalculation: ({ metadata }) => ENTRY_BYTES + 2 * metadata.length,
  });

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** What is public of each of these entries, by user. Those of which nothing is are left out. One query at most. */
  async of(
    board: BoardKey,
    entries: readonly Entry[],
    keys: PublicKeys,
  ): Promise<Map<string, PublicMetadata>> {
    const rows: Row[] = [];
    const unknown = entries.filter((entry) => {
      const row = this.#known.get(nameOf(board, entry));
      if (row !== undefined) rows.push(row);
      return row === undefined;
    });
    if (unknown.length > 0) rows.push(...(await this.#read(board, unknown)));
    const found = rows.map(
      ({ userId, action, metadata }) => [userId, shown(metadata, keys.get(action))] as const,
    );
    return new Map(found.filter(([, metadata]) => Object.keys(metadata).length > 0));
  }

  async #read(board: BoardKey, entries: readonly Entry[]): Promise<Row[]> {
    const found = await this.#database.query<Row>(OF_ENTRIES, [
      board.leaderboard,
      board.season,
      toUuids(
        'usr',
        entries.map(({ userId }) => userId),
      ),
      entries.map(({ score }) => score),
      entries.map(({ achievedAt }) => achievedAt),
      entries.map(({ achievedAt }) => firstKey('evt', achievedAt - CLOCK_SLACK_MS)),
      entries.map(({ achievedAt }) => firstKey('evt', achievedAt + CLOCK_SLACK_MS)),
    ]);
    const rows = withIds(found.rows, { userId: 'usr' });
    const byUser = new Map(entries.map((entry) => [entry.userId, entry]));
    for (const row of rows) {
      const entry = byUser.get(row.userId);
      if (entry !== undefined) this.#known.set(nameOf(board, entry), row);
    }
    return rows;
  }
}

const nameOf = (board: BoardKey, { userId, score, achievedAt }: Entry): string =>
  `${board.text} ${userId} ${score} ${achievedAt}`;

/** What may be shown of metadata: numbers, truth values and short text, in which nothing is hidden. */
function shown(metadata: string, keys: readonly string[] = []): PublicMetadata {
  const all: unknown = JSON.parse(metadata);
  const values = new Map(typeof all === 'object' && all !== null ? Object.entries(all) : []);
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value: unknown = values.get(key);
      return isShown(value) ? [[key, value] as const] : [];
    }),
  );
}

const isShown = (value: unknown): value is PublicMetadata[string] =>
  typeof value === 'string'
    ? value.length <= MAX_TEXT && isVisible(value)
    : typeof value === 'number' || typeof value === 'boolean';
