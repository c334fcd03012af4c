import type { Leaderboard } from '../../schemas/leaderboard.js';
import type { BoardKey } from '../board-key.js';
import { Problem } from '../errors.js';
import { closeFence } from '../ledger/fence.js';
import type { Queryable } from '../postgres/database.js';
import { finiteRfc3339, rfc3339 } from '../postgres/sql.js';

/** A leaderboard as it is defined; its entries are for the projection to count. */
export type LeaderboardDefinition = Omit<Leaderboard, 'entries' | 'now'>;

/** Properties that do not apply are absent, also from answers. */
const DEFINITION = `jsonb_strip_nulls(jsonb_build_object('id', id, 'title', title, 'sort', sort, 'operator', operator, 'season', season,
  'titles', titles, 'unit', unit, 'maxPointsPerMinute', max_points_per_minute, 'hidden', CASE WHEN hidden THEN true END, 'frozenAt', ${rfc3339('frozen_at')},
  'revision', revision, 'schedule', schedule, 'lateTokens', nullif(late_tokens, 'arrival'), 'graceMs', nullif(grace_ms, 0),
  'keepSeasons', keep_seasons)) || jsonb_build_object('seasonEndsAt', ${finiteRfc3339('season_ends_at')})
  AS definition`;
const ONE = `SELECT ${DEFINITION} FROM leaderboards WHERE id = $1 AND removed_at IS NULL`;
const PAGE = `
SELECT ${DEFINITION} FROM leaderboards WHERE id > $1 AND NOT hidden AND removed_at IS NULL ORDER BY id LIMIT $2`;

const ALL_PAGE = `
SELECT ${DEFINITION} FROM leaderboards WHERE id > $1 AND removed_at IS NULL ORDER BY id LIMIT $2`;

const LOCK = `
SELECT sort, operator, frozen_at IS NOT NULL AS "isFrozen", removed_through AS "removedThrough"
FROM leaderboards WHERE id = $1 AND removed_at IS NULL FOR UPDATE`;
const HAS_ENTRIES =
  'SELECT FROM scores WHERE leaderboard_id = $1 AND season > $2 AND coalesce(score, withheld_score) IS NOT NULL LIMIT 1';

const FREEZE =
  'UPDATE leaderboards SET frozen_at = now(), revision = revision + 1 WHERE id = $1 AND frozen_at IS NULL';
const UNFREEZE =
  'UPDATE leaderboards SET frozen_at = NULL, revision = revision + 1 WHERE id = $1 AND frozen_at IS NOT NULL';
/** No further season of it begins. The next one may have scores already, though nobody has turned the page. */
const REMOVE = `
UPDATE leaderboards SET removed_at = now(), removed_through = season + (next_starts_at <= clock_timestamp())::int, schedule = NULL, season_ends_at = 'infinity',
  next_starts_at = 'infinity', next_ends_at = 'infinity' WHERE id = $1`;

/** A leaderboard, or null if there is none. */
export async function readLeaderboard(
  database: Queryable,
  id: string,
): Promise<LeaderboardDefinition | null> {
  const { rows } = await database.query<{ definition: LeaderboardDefinition }>(ONE, [id]);
  return rows[0]?.definition ?? null;
}

/** Leaderboards that are not hidden, by id, behind the given one. */
export async function readLeaderboards(
  database: Queryable,
  limit: number,
  after: string | null,
  sql = PAGE,
): Promise<LeaderboardDefinition[]> {
  const { rows } = await database.query<{ definition: LeaderboardDefinition }>(sql, [after ?? '', limit]);
  return rows.map(({ definition }) => definition);
}

/** The same, also those that are hidden. */
export const readAllLeaderboards = (database: Queryable, limit: number, after: string | null) =>
  readLeaderboards(database, limit, after, ALL_PAGE);

const SORT = `SELECT rules->>'sort' AS sort FROM seasons WHERE leaderboard_id = $1 AND season = $2`;

/** How a season sorts, or null if there is no such season. */
export async function readSort(
  database: Queryable,
  { leaderboard, season }: BoardKey,
): Promise<Leaderboard['sort'] | null> {
  const { rows } = await database.query<Pick<Leaderboard, 'sort'>>(SORT, [leaderboard, season]);
  return rows[0]?.sort ?? null;
}

const REMOVED = `
SELECT l.id FROM unnest($1::text[], $2::int[]) known (id, season)
JOIN leaderboards l ON l.id = known.id AND l.removed_through >= known.season`;

/** Those of the known leaderboards that were deleted since, whether or not they were made again. */
export async function findRemoved(
  database: Queryable,
  seasons: ReadonlyMap<string, number>,
): Promise<string[]> {
  const values = [[...seasons.keys()], [...seasons.values()]];
  return (await database.query<{ id: string }>(REMOVED, values)).rows.map(({ id }) => id);
}

interface Locked extends Pick<LeaderboardDefinition, 'sort' | 'operator'> {
  readonly isFrozen: boolean;
  /** Seasons up to this one are deleted. */
  readonly removedThrough: number;
}

/**
 * Keeps scores away from a leaderboard until the transaction ends. Scores that waited then read the changed row.
 * @returns null if there is no such leaderboard
 * @throws Problem `service-unavailable` if the scores under way take too long
 */
async function lock(client: Queryable, id: string): Promise<Locked | null> {
  await closeFence(client, id);
  return (await client.query<Locked>(LOCK, [id])).rows[0] ?? null;
}

async function lockExisting(client: Queryable, id: string): Promise<Locked> {
  const known = await lock(client, id);
  if (known === null) throw noSuchLeaderboard(id);
  return known;
}

const hasEntries = async (client: Queryable, id: string, { removedThrough }: Locked): Promise<boolean> =>
  (await client.query(HAS_ENTRIES, [id, removedThrough])).rowCount !== 0;

/**
 * Makes a leaderboard take no scores, or take them again.
 * @returns whether that is a change
 * @throws Problem `not-found`
 */
export async function setFrozen(client: Queryable, id: string, frozen: boolean): Promise<boolean> {
  await lockExisting(client, id);
  return (await client.query(frozen ? FREEZE : UNFREEZE, [id])).rowCount === 1;
}

/**
 * Deletes a leaderboard. Its scores are still there, for the job `purge` to delete.
 * @throws Problem `not-found`; `leaderboard-in-use` if an action feeds it, or if it has entries and is not frozen
 */
export async function removeLeaderboard(client: Queryable, id: string): Promise<void> {
  const known = await lockExisting(client, id);
  const { rows } = await client.query<{ action: string }>(
    'SELECT action_id AS action FROM action_leaderboards WHERE leaderboard_id = $1 ORDER BY 1 LIMIT 1',
    [id],
  );
  const [feeding] = rows;
  if (feeding !== undefined)
    throw new Problem('leaderboard-in-use', `The action "${feeding.action}" feeds the leaderboard "${id}".`);
  if (!known.isFrozen && (await hasEntries(client, id, known)))
    throw new Problem('leaderboard-in-use', `The leaderboard "${id}" has entries. Freeze it first.`);
  await client.query(REMOVE, [id]);
}

export const noSuchLeaderboard = (id: string): Problem =>
  new Problem('not-found', `There is no leaderboard "${id}".`);
