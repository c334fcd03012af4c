import { Type } from '@sinclair/typebox';
import { type Job, type JobKind, job } from '../jobs/job.js';

const ROWS = 5_000;

const Erasure = Type.Object({ userId: Type.String(), before: Type.String() });

/** Erases what is left of an erased user that nobody can read as its own any more: of events before the given one. */
export const ERASE_USER: JobKind<typeof Erasure> = {
  name: 'erase-user',
  payload: Erasure,
  keyOf: ({ userId }) => userId,
};

const FORGET_SESSIONS = `
DELETE FROM sessions WHERE ctid = ANY (ARRAY(SELECT ctid FROM sessions WHERE user_id = $1 LIMIT ${ROWS}))`;
/** The events stay in the ledger, without what a client has sent with them. $1 user, $2 an event. Where the bite has ended. */
const FORGET_METADATA = `
WITH page AS MATERIALIZED (
  SELECT id, metadata IS NOT NULL AS has_metadata FROM score_events
  WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT ${ROWS}
), forgotten AS (
  UPDATE score_events e SET metadata = NULL FROM page p WHERE e.id = p.id AND p.has_metadata
)
SELECT min(id) AS last, count(*) AS events FROM page`;

export const eraseUser: Job = job(ERASE_USER, async (client, { userId, before }) => {
  const { rowCount } = await client.query(FORGET_SESSIONS, [userId]);
  const { rows } = await client.query<{ last: string | null; events: number }>(FORGET_METADATA, [
    userId,
    before,
  ]);
  const [{ last, events } = { last: null, events: 0 }] = rows;
  const isDone = rowCount !== ROWS && events < ROWS;
  return isDone ? {} : { rest: { userId, before: last ?? before } };
});
