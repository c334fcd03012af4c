import { Type } from '@sinclair/typebox';
import { type Job, type JobKind, job } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';
import { NEWEST_OF_USER, newestOfUser, olderThan } from '../postgres/events-of-user.js';
import { fromUuid, toUuid } from '../stored-ids.js';

const ROWS = 5_000;

const Erasure = Type.Object({ userId: Type.String(), before: Type.Union([Type.String(), Type.Null()]) });

/** Erases what is left of an erased user that nobody can read as its own any more: of all events, or those before the given one. */
export const ERASE_USER: JobKind<typeof Erasure> = {
  name: 'erase-user',
  payload: Erasure,
  keyOf: ({ userId }) => userId,
};

/** How long an erased user can still be kept from coming back by a ban, in days. */
const BANNED_WITHIN_DAYS = 30;
const IS_LET_GO = `erased_at < now() - interval '${BANNED_WITHIN_DAYS} days' AND banned_at IS NULL`;
/** $1 how many. The condition stands twice, for one who is banned between the two: only the outer one is looked at again. */
const FORGET_KEYS = `
UPDATE users SET external_key = NULL WHERE ${IS_LET_GO} AND id = ANY (ARRAY(
  SELECT id FROM users WHERE ${IS_LET_GO} AND external_key IS NOT NULL LIMIT $1))`;

const FORGET_SESSIONS = `
DELETE FROM sessions WHERE ctid = ANY (ARRAY(SELECT ctid FROM sessions WHERE user_id = $1 LIMIT ${ROWS}))`;
/** Waits for what is being carried just now, which may not know yet that the user is erased. */
const AFTER_CARRYING = 'SELECT FROM archive_progress FOR SHARE';
const FORGET_ARCHIVED = 'DELETE FROM archived_standings WHERE user_id = $1';
/** The audit says that it was renamed, and not how it was called. */
const FORGET_NAMES = `UPDATE admin_audit SET details = '{}' WHERE target = $1 AND action = 'rename-user'`;
/** The events stay in the ledger, without what a client has sent with them. $1 a user. Where the bite has ended, if it is full. */
const forgetMetadata = (before: string) => `
WITH page AS MATERIALIZED (
  SELECT id, metadata IS NOT NULL AS has_metadata FROM ${newestOfUser(`e.user_id = $1 ${before}`, ROWS)} e
  ORDER BY ${NEWEST_OF_USER} LIMIT ${ROWS}
), forgotten AS (
  UPDATE score_events e SET metadata = NULL FROM page p WHERE e.id = p.id AND p.has_metadata
)
SELECT id AS last FROM page OFFSET ${ROWS - 1}`;
const FORGET_NEWEST = forgetMetadata('');
/** $2 an event. */
const FORGET_OLDER = forgetMetadata(`AND ${olderThan('$2::uuid')}`);

export const eraseUser: Job = job(ERASE_USER, async (client, { userId, before }) => {
  const user = toUuid('usr', userId);
  if (before === null) {
    await client.query(AFTER_CARRYING);
    await client.query(FORGET_ARCHIVED, [user]);
    await client.query(FORGET_NAMES, [userId]);
  }
  const { rowCount } = await client.query(FORGET_SESSIONS, [user]);
  const { rows } =
    before === null
      ? await client.query<{ last: string }>(FORGET_NEWEST, [user])
      : await client.query<{ last: string }>(FORGET_OLDER, [user, toUuid('evt', before)]);
  const [end] = rows;
  if (end !== undefined) return { rest: { userId, before: fromUuid('evt', end.last) } };
  return rowCount === ROWS ? { rest: { userId, before } } : {};
});

/** Forgets under which external ids erased users were known: of at most `limit` users. @returns whether there may be more */
export async function purgeExternalKeys(client: Queryable, limit: number): Promise<boolean> {
  return (await client.query(FORGET_KEYS, [limit])).rowCount === limit;
}
