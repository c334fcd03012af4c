import type { Queryable } from '../postgres/database.js';

/** How long after its expiry a token can still be told from one that was never used, in seconds. */
const REMEMBER_TOKENS_FOR = 86_400;

const PURGE_TOKENS = `
DELETE FROM consumed_tokens WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM consumed_tokens WHERE expires_at < now() - $1 * interval '1 second' LIMIT $2))`;

/** Forgets tokens that have expired long ago: at most `limit` of them. @returns whether there may be more */
export async function purgeTokens(client: Queryable, limit: number): Promise<boolean> {
  return (await client.query(PURGE_TOKENS, [REMEMBER_TOKENS_FOR, limit])).rowCount === limit;
}
