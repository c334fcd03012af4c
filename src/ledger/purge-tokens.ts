import { now } from '../clock.js';
import { briefly } from '../postgres/briefly.js';
import type { Queryable } from '../postgres/database.js';
import { CONSUMED_TOKENS, dropPartition, partitionsOf } from '../postgres/partitions.js';

/** How long after its expiry a token can still be told from one that was never used, in seconds. */
export const REMEMBER_TOKENS_FOR = 86_400;
const IS_FORGOTTEN = `expires_at < now() - ${REMEMBER_TOKENS_FOR} * interval '1 second' AND expires_at < 'infinity'`;

/** The partitions that are never dropped. */
const LASTING = ['consumed_tokens_default', 'consumed_tokens_keys'];

const purge = (partition: string): string => `
DELETE FROM ${partition} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${partition} WHERE ${IS_FORGOTTEN} LIMIT $1))`;

/** Forgets tokens of the lasting partitions that have expired long ago: at most `limit` each. @returns whether there may be more */
export async function purgeTokens(client: Queryable, limit: number): Promise<boolean> {
  let mayBeMore = false;
  for (const partition of LASTING)
    if ((await client.query(purge(partition), [limit])).rowCount === limit) mayBeMore = true;
  return mayBeMore;
}

/**
 * Drops the oldest partition whose tokens have all expired long ago.
 * @returns whether there may be more to do: `later` if a lock was not to be had
 */
export async function dropNextTokens(client: Queryable): Promise<'done' | 'more' | 'later'> {
  for (const { name, end } of await partitionsOf(client, CONSUMED_TOKENS)) {
    if (end > now() - REMEMBER_TOKENS_FOR * 1000) break;
    if (!(await isForgotten(client, name))) continue;
    const isDropped = await briefly(client, async () => {
      // Lookups continue, inserts wait: only a new token with an id of that old day would be inserted here.
      await client.query(`LOCK TABLE ${name} IN SHARE MODE`);
      if (await isForgotten(client, name)) await dropPartition(client, name);
    });
    return isDropped ? 'more' : 'later';
  }
  return 'done';
}

const isForgotten = async (client: Queryable, partition: string): Promise<boolean> =>
  (await client.query(`SELECT FROM ${partition} WHERE NOT (${IS_FORGOTTEN}) LIMIT 1`)).rowCount === 0;
