import type pg from 'pg';
import { Problem } from '../errors.js';
import { pages } from '../postgres/cursor.js';
import { ofAnyStatus } from '../postgres/events-of-user.js';
import { rfc3339 } from '../postgres/sql.js';
import { fromUuid, toUuid, withIds } from '../stored-ids.js';
import { oneLine } from './lines.js';

const USER = `
SELECT display_name AS "displayName", username, external_id AS "externalId", role, ${rfc3339('created_at')} AS "createdAt",
       ${rfc3339('banned_at')} AS "bannedAt"
FROM users WHERE id = $1 AND erased_at IS NULL`;
const SESSIONS = `
SELECT id, ${rfc3339('created_at')} AS "createdAt", ${rfc3339('refreshed_at')} AS "refreshedAt", ${rfc3339('expires_at')} AS "expiresAt",
       ${rfc3339('revoked_at')} AS "revokedAt"
FROM sessions WHERE user_id = $1 ORDER BY id`;
/** Those of a banned user are withheld. The condition on the version is that of the index. */
const ENTRIES = `
SELECT leaderboard_id AS leaderboard, season, coalesce(score, withheld_score) AS score,
       ${rfc3339('CASE WHEN score IS NULL THEN withheld_at ELSE achieved_at END')} AS "achievedAt"
FROM scores WHERE user_id = $1 AND version > 0 AND (score IS NOT NULL OR withheld_score IS NOT NULL) ORDER BY leaderboard_id, season`;
const ARCHIVED = `
SELECT leaderboard_id AS leaderboard, season, points::float8 AS points, ${rfc3339('achieved_at')} AS "achievedAt"
FROM archived_standings WHERE user_id = $1 ORDER BY leaderboard_id, season`;
const ACTS = `
SELECT id, ${rfc3339('at')} AS at, actor, action, reason, details FROM admin_audit WHERE target = $1 ORDER BY id`;
const EVENTS = `
SELECT e.id AS "eventId", e.action_id AS action, e.points, ${rfc3339('e.accepted_at')} AS "acceptedAt",
       ${rfc3339('e.achieved_at')} AS "achievedAt", e.status, e.boards, e.metadata::text AS metadata
FROM ${ofAnyStatus((status) => `SELECT * FROM score_events e WHERE e.user_id = $1 AND ${status}`)} e ORDER BY e.accepted_at, e.id`;

interface Event {
  readonly eventId: string;
  readonly boards: Readonly<Record<string, number>>;
  /** As JSON. */
  readonly metadata: string | null;
}

/** The parts of a JSON document, in the transaction of the client. @throws Problem `not-found` */
export async function* playerParts(
  client: pg.ClientBase,
  id: string,
  exportedAt: string,
  isForAdmin: boolean,
): AsyncGenerator<string> {
  const key = [toUuid('usr', id)];
  const user = await client.query<object>(USER, key);
  const [found] = user.rows;
  if (found === undefined) throw new Problem('not-found', `There is no user "${id}".`);
  const sessions = await client.query<{ id: string }>(SESSIONS, key);
  const entries = await client.query<object>(ENTRIES, key);
  const archived = await client.query<object>(ARCHIVED, key);
  const acts = isForAdmin ? await client.query<{ id: string }>(ACTS, [id]) : null;
  const head = JSON.stringify({
    exportedAt,
    user: { id, ...found },
    sessions: withIds(sessions.rows, { id: 'ses' }),
    entries: entries.rows,
    archived: archived.rows,
    ...(acts && { acts: withIds(acts.rows, { id: 'aud' }) }),
  });
  yield `${head.slice(0, -1)},"events":[`;
  let separator = '\n';
  for await (const page of pages<Event>(client, 'events', EVENTS, key)) {
    yield separator + page.map(eventText).join(',\n');
    separator = ',\n';
  }
  yield ']}\n';
}

function eventText({ eventId, metadata, ...event }: Event): string {
  const text = JSON.stringify({ eventId: fromUuid('evt', eventId), ...event });
  return `${text.slice(0, -1)},"metadata":${oneLine(metadata)}}`;
}
