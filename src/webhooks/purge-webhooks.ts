import type { Queryable } from '../postgres/database.js';
import { fromUuid } from '../stored-ids.js';
import type { Sealed, Sealing } from './sealing.js';

const deleteDeliveries = (condition: string): string => `
DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM webhook_deliveries WHERE ${condition} LIMIT $1))`;
const EXPIRED = deleteDeliveries('kept_until < now()');
const ABANDONED = deleteDeliveries(
  'webhook_id = ANY (ARRAY(SELECT id FROM webhooks WHERE removed_at IS NOT NULL))',
);
const REMOVED = `
DELETE FROM webhooks w
WHERE removed_at IS NOT NULL AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE webhook_id = w.id)`;

/** Deletes deliveries that were kept long enough, and deleted webhooks. @returns whether there may be more */
export async function purgeWebhooks(client: Queryable, limit: number): Promise<boolean> {
  const expired = await client.query(EXPIRED, [limit]);
  const abandoned = await client.query(ABANDONED, [limit]);
  await client.query(REMOVED);
  return expired.rowCount === limit || abandoned.rowCount === limit;
}

const SEALED_BEFORE = `
SELECT id, sealed, sealed_by AS "sealedBy" FROM webhooks
WHERE sealed_by = $1 AND removed_at IS NULL LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`;
const RESEAL = 'UPDATE webhooks SET sealed = $2, sealed_by = $3 WHERE id = $1';

/** Encrypts with the key of now what was encrypted with the one before, so that the next rotation may forget that one. */
export const resealWebhooks =
  (sealing: Sealing) =>
  async (client: Queryable, limit: number): Promise<boolean> => {
    if (sealing.previousKeyName === undefined) return false;
    const { rows } = await client.query<Sealed & { id: string }>(SEALED_BEFORE, [
      sealing.previousKeyName,
      limit,
    ]);
    for (const { id: uuid, ...before } of rows) {
      const id = fromUuid('whk', uuid);
      const { sealed, sealedBy } = sealing.seal(id, sealing.open(id, before));
      await client.query(RESEAL, [uuid, sealed, sealedBy]);
    }
    return rows.length === limit;
  };
