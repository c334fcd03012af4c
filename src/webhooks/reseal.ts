import type { Queryable } from '../postgres/database.js';
import { fromUuid, toUuid } from '../stored-ids.js';
import { type Sealed, type Sealing, type Secrets, Unreadable } from './sealing.js';

const RESEAL = 'UPDATE webhooks SET sealed = $2, sealed_by = $3 WHERE id = $1';
/** $1 a key, $2 webhooks that cannot be read, $3 how many. */
const SEALED_BEFORE = `
SELECT id, sealed, sealed_by AS "sealedBy" FROM webhooks
WHERE sealed_by = $1 AND removed_at IS NULL AND id <> ALL ($2::uuid[]) LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED`;

/** Gives a webhook other secrets. */
export async function reseal(
  client: Queryable,
  sealing: Sealing,
  id: string,
  secrets: Secrets,
): Promise<void> {
  const { sealed, sealedBy } = sealing.seal(id, secrets);
  await client.query(RESEAL, [toUuid('whk', id), sealed, sealedBy]);
}

/**
 * Encrypts with the key of now what was encrypted with the one before, so that the next rotation may forget that one.
 * @param onUnreadable called once for each webhook that cannot be read: it stays as it is, and the others are done
 */
export function resealWebhooks(sealing: Sealing, onUnreadable: (error: Unreadable) => void) {
  const unreadable: string[] = [];
  return async (client: Queryable, limit: number): Promise<boolean> => {
    if (sealing.previousKeyName === undefined) return false;
    const values = [sealing.previousKeyName, unreadable, limit];
    const { rows } = await client.query<Sealed & { id: string }>(SEALED_BEFORE, values);
    for (const { id: uuid, ...before } of rows) {
      const id = fromUuid('whk', uuid);
      try {
        await reseal(client, sealing, id, sealing.open(id, before));
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        unreadable.push(uuid);
        onUnreadable(error);
      }
    }
    return rows.length === limit;
  };
}
