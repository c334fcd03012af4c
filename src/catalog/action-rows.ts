import type { Action } from '../../schemas/action.js';
import { invalid, Problem } from '../errors.js';
import { passFences } from '../ledger/fence.js';
import type { Queryable } from '../postgres/database.js';

/** Limits that do not exist are absent, also from answers. */
const DEFINITION = `
SELECT json_strip_nulls(json_build_object('id', a.id, 'title', a.title,
         'points', json_build_object('min', a.points_min, 'max', a.points_max), 'issuer', a.issuer,
         'minDurationMs', a.min_duration_ms, 'cooldownMs', a.cooldown_ms, 'dailyLimit', a.daily_limit,
         'maxRobustZ', a.max_robust_z, 'publicMetadata', nullif(a.public_metadata, '{}'),
         'leaderboards', ARRAY(SELECT leaderboard_id FROM action_leaderboards WHERE action_id = a.id ORDER BY 1)))
         AS definition
FROM actions a`;

const PUT = `
INSERT INTO actions (id, title, points_min, points_max, issuer, min_duration_ms, cooldown_ms, daily_limit, public_metadata, max_robust_z)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, points_min = excluded.points_min,
  points_max = excluded.points_max, issuer = excluded.issuer, min_duration_ms = excluded.min_duration_ms,
  cooldown_ms = excluded.cooldown_ms, daily_limit = excluded.daily_limit, public_metadata = excluded.public_metadata,
  max_robust_z = excluded.max_robust_z`;
const FEED = `
INSERT INTO action_leaderboards (action_id, leaderboard_id)
SELECT $1, id FROM leaderboards WHERE id = ANY ($2::text[]) AND removed_at IS NULL`;
const HELD = "SELECT FROM score_events WHERE action_id = $1 AND status = 'held' LIMIT 1";

/** An action, or null if there is none. */
export async function readAction(database: Queryable, id: string): Promise<Action | null> {
  const { rows } = await database.query<{ definition: Action }>(`${DEFINITION} WHERE a.id = $1`, [id]);
  return rows[0]?.definition ?? null;
}

/** All actions, by id. */
export async function readActions(database: Queryable): Promise<Action[]> {
  const { rows } = await database.query<{ definition: Action }>(`${DEFINITION} ORDER BY a.id`);
  return rows.map(({ definition }) => definition);
}

/**
 * Makes or replaces an action.
 * @throws Problem `validation-failed` if it feeds a leaderboard that does not exist
 */
export async function putAction(client: Queryable, action: Action): Promise<void> {
  const { id, title, points, issuer, minDurationMs, leaderboards, cooldownMs, dailyLimit } = action;
  // As long as the fences are passed, none of the leaderboards can be deleted.
  await client.query(passFences('unnest($1::text[]) AS fed (leaderboard_id)'), [leaderboards]);
  await client.query(PUT, [
    id,
    title,
    points.min,
    points.max,
    issuer,
    minDurationMs,
    cooldownMs ?? null,
    dailyLimit ?? null,
    action.publicMetadata ?? [],
    action.maxRobustZ ?? null,
  ]);
  await client.query('DELETE FROM action_leaderboards WHERE action_id = $1', [id]);
  const { rowCount } = await client.query(FEED, [id, leaderboards]);
  if (rowCount !== new Set(leaderboards).size)
    throw invalid('/leaderboards', 'names a leaderboard that does not exist');
}

/**
 * Deletes an action. Its events stay in the ledger, and count.
 * @throws Problem `not-found`; `action-in-use` while events of it are held for review
 */
export async function removeAction(client: Queryable, id: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM actions WHERE id = $1 FOR UPDATE', [id]);
  if (rowCount === 0) throw new Problem('not-found', `There is no action "${id}".`);
  if ((await client.query(HELD, [id])).rowCount !== 0) {
    throw new Problem('action-in-use', `Events of "${id}" are held for review. Release or void them first.`);
  }
  await client.query('DELETE FROM action_leaderboards WHERE action_id = $1', [id]);
  await client.query('DELETE FROM actions WHERE id = $1', [id]);
}
