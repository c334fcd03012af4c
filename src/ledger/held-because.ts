import type { Queryable } from '../postgres/database.js';
import { toUuids } from '../stored-ids.js';
import type { Exceeded } from './limits.js';

/** Of a user's last events so many are looked at for what is usual. */
const LOOKED_AT = 500;

/**
 * $1 events that are held, $2 why, as JSON. What is usual are the points of the last events of the user, those of the same action that
 * count; null if there are none.
 */
const NOTE = `
UPDATE score_events e
SET held_because = h.because || jsonb_build_object('usual', (
  SELECT CASE WHEN count(*) > 0 THEN jsonb_build_object(
           'events', count(*), 'median', percentile_disc(0.5) WITHIN GROUP (ORDER BY l.points), 'most', max(l.points)) END
  FROM (SELECT u.action_id, u.points FROM score_events u
        WHERE u.user_id = e.user_id AND u.status = 'counted'
        ORDER BY u.accepted_at DESC, u.id DESC LIMIT ${LOOKED_AT}) l
  WHERE l.action_id = e.action_id))
FROM unnest($1::uuid[], $2::jsonb[]) AS h (id, because)
WHERE e.id = h.id`;

/** Keeps why events are held, in the transaction that records them. Only those that are held cost anything. */
export async function noteReasons(
  client: Queryable,
  held: readonly { readonly eventId: string; readonly because: Exceeded }[],
): Promise<void> {
  if (held.length === 0) return;
  await client.query(NOTE, [
    toUuids(
      'evt',
      held.map(({ eventId }) => eventId),
    ),
    held.map(({ because }) => JSON.stringify(because)),
  ]);
}
