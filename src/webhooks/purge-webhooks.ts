import type { Queryable } from '../postgres/database.js';
import { MAX_DEAD } from './publish.js';

const deleteDeliveries = (condition: string): string => `
DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM webhook_deliveries WHERE ${condition} LIMIT $1))`;
const EXPIRED = deleteDeliveries('kept_until < now()');
const ABANDONED = deleteDeliveries(
  'webhook_id = ANY (ARRAY(SELECT id FROM webhooks WHERE removed_at IS NOT NULL))',
);
/** Behind the newest dead letters of their webhook. */
const TOO_MANY = `
DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
  SELECT d.ctid FROM webhooks w CROSS JOIN LATERAL (
    SELECT id FROM webhook_deliveries WHERE webhook_id = w.id AND state = 'dead' ORDER BY id DESC OFFSET ${MAX_DEAD} LIMIT 1) last
  JOIN webhook_deliveries d ON d.webhook_id = w.id AND d.state = 'dead' AND d.id <= last.id
  LIMIT $1))`;
const REMOVED = `
DELETE FROM webhooks w
WHERE removed_at IS NOT NULL AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE webhook_id = w.id)`;

/** Deletes deliveries that were kept long enough or are too many, and deleted webhooks. @returns whether there may be more */
export async function purgeWebhooks(client: Queryable, limit: number): Promise<boolean> {
  const expired = await client.query(EXPIRED, [limit]);
  const tooMany = await client.query(TOO_MANY, [limit]);
  const abandoned = await client.query(ABANDONED, [limit]);
  await client.query(REMOVED);
  return [expired, tooMany, abandoned].some(({ rowCount }) => rowCount === limit);
}
