import type { Queryable } from '../postgres/database.js';
import { type Seal, type Sealed, Unreadable } from '../sealing.js';
import { fromUuid } from '../stored-ids.js';

/** $1 a key, $2 administrators that cannot be read, $3 how many. */
const SEALED_BEFORE = `
SELECT id, sealed, sealed_by AS "sealedBy" FROM administrators
WHERE sealed_by = $1 AND id <> ALL ($2::uuid[]) LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED`;
const RESEAL = 'UPDATE administrators SET sealed = $2, sealed_by = $3 WHERE id = $1';

/**
 * Encrypts with the key of now what was encrypted with the one before, so that the next rotation may forget that one.
 * @param onUnreadable called once for each that cannot be read: it stays as it is, until it is reset
 */
export function resealAdministrators(seal: Seal, onUnreadable: (error: Unreadable) => void) {
  const unreadable: string[] = [];
  return async (client: Queryable, limit: number): Promise<boolean> => {
    if (seal.previousKeyName === undefined) return false;
    const values = [seal.previousKeyName, unreadable, limit];
    const { rows } = await client.query<Sealed & { id: string }>(SEALED_BEFORE, values);
    for (const { id: uuid, ...before } of rows) {
      const id = fromUuid('adm', uuid);
      try {
        const { sealed, sealedBy } = seal.seal(id, seal.open(id, before));
        await client.query(RESEAL, [uuid, sealed, sealedBy]);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        unreadable.push(uuid);
        onUnreadable(error);
      }
    }
    return rows.length === limit;
  };
}
