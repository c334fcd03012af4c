import { now } from '../clock.js';
import { eventBehind } from '../leaderboard/public-metadata.js';
import { briefly } from '../postgres/briefly.js';
import type { Queryable } from '../postgres/database.js';
import { achievedAt } from '../postgres/events-of-user.js';
import { dropPartition, firstKey, partitionsOf, SCORE_EVENTS, timeOfKey } from '../postgres/partitions.js';
import { boardsOf } from './event-boards.js';
import { REMEMBER_TOKENS_FOR } from './purge-tokens.js';

/**
 * How a month of events leaves the ledger (ADR 37). First it is closed: the status of its events is final. Then it is carried: page
 * by page, its events count in `archived_standings` and no longer by themselves. Then it is dropped. Each step is a transaction: a
 * run that was cut off is continued by the next one.
 */
export interface Month {
  /** `2026-01` */
  readonly name: string;
  /** From this time on and before the other, in milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** The table that is dropped; null if the events are in the default partition. */
  readonly partition: string | null;
}

/** The advisory lock of the job and the command that take months from the ledger: any constant, the same for both. */
export const ARCHIVE_LOCK = 7_228_506;

/** The ids of a month or, more exactly, its first one and that of the next, as two parameters of a query. */
export const idsOf = ({ start, end }: Month): [from: string, until: string] => [
  firstKey('evt', start),
  firstKey('evt', end),
];

/** The oldest month that has a partition, or events in the default one; null if there is none. */
export async function oldestMonth(client: Queryable): Promise<Month | null> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM score_events_default ORDER BY id LIMIT 1',
  );
  const starts = rows.map(({ id }) => SCORE_EVENTS.period.startOf(timeOfKey(id)));
  const [oldest] = await partitionsOf(client, SCORE_EVENTS);
  const start = Math.min(oldest?.start ?? Number.POSITIVE_INFINITY, ...starts);
  if (!Number.isFinite(start)) return null;
  return {
    name: new Date(start).toISOString().slice(0, 7),
    start,
    end: SCORE_EVENTS.period.next(start),
    partition: oldest?.start === start ? oldest.name : null,
  };
}

/** A month is whole when no event of it can come any more, and no limit looks at its events: these look back for a day. */
export const isOver = ({ end }: Month): boolean => end + REMEMBER_TOKENS_FOR * 1000 <= now();

const IS_CLOSED = 'SELECT FROM archive_progress WHERE closed_before >= $1';
/** A replay of a token is told from its event. Idempotency keys never expire: they go with their event. */
const HAS_TOKENS = `
SELECT FROM consumed_tokens WHERE event_id >= $1 AND event_id < $2 AND expires_at < 'infinity' LIMIT 1`;
const HELD = `SELECT count(*) AS held FROM score_events WHERE status = 'held' AND id >= $1 AND id < $2`;
const CLOSE = 'UPDATE archive_progress SET closed_before = greatest(closed_before, $1)';

/**
 * Closes a month.
 * @returns `later` if its lock was not to be had, or why the month must stay, as the end of a sentence
 */
export async function close(
  client: Queryable,
  month: Month,
): Promise<'closed' | 'later' | { readonly why: string }> {
  const ids = idsOf(month);
  if ((await client.query(IS_CLOSED, [ids[1]])).rowCount === 1) return 'closed';
  if (!isOver(month)) return { why: 'it is not over for a day' };
  if ((await client.query(HAS_TOKENS, ids)).rowCount === 1)
    return {
      why: 'tokens that were consumed for its events are still remembered: they are forgotten a day after they have expired',
    };
  let held = 0;
  const isLocked = await briefly(client, async () => {
    // A change of an event's status that is under way ends first. Later ones find the month closed.
    await client.query(`LOCK TABLE ${month.partition ?? 'score_events_default'} IN SHARE MODE`);
    const { rows } = await client.query<{ held: number }>(HELD, ids);
    held = rows[0]?.held ?? 0;
    if (held === 0) await client.query(CLOSE, [ids[1]]);
  });
  if (!isLocked) return 'later';
  return held === 0
    ? 'closed'
    : { why: `${held} of its events are held: release or void them (GET /v1/admin/events?status=held)` };
}

/** Whether an event is archived, or would be if there were one with this id. @param event as it is stored */
export const isArchived = async (client: Queryable, event: string | null): Promise<boolean> =>
  (await client.query('SELECT FROM archive_progress WHERE closed_before > $1', [event])).rowCount === 1;

/** Before which time all events are archived, in milliseconds since 1970: 0 if none are. */
export async function archivedUntil(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ id: string }>('SELECT closed_before AS id FROM archive_progress');
  return timeOfKey(rows[0]?.id ?? '');
}

/** SQL: whether points that are carried stay the best beside others, of which there may be none. They were there first. */
export const staysBest = (sort: string, carried: string, points: string): string =>
  `coalesce(CASE ${sort} WHEN 'desc' THEN ${carried} >= ${points} ELSE ${carried} <= ${points} END, ${points} IS NULL)`;

const LOCK_PROGRESS = 'SELECT carried_before AS carried FROM archive_progress FOR UPDATE';
/** Where a page ends. $1 where it begins, $2 where the month ends, $3 events of a page. */
const END_OF_PAGE = 'SELECT id FROM score_events WHERE id >= $1 AND id < $2 ORDER BY id OFFSET $3 LIMIT 1';
/** $1 and $2: the ids of a page. Those of imported rows stay, so that a file counts once for ever. */
const FORGET_KEYS = `
DELETE FROM consumed_tokens c USING score_events e
WHERE e.id >= $1 AND e.id < $2 AND e.token_id >= 'ff000000-0000-0000-0000-000000000000'
  AND e.imported_by IS NULL
  AND c.token_id = e.token_id AND c.token_id >= 'ff000000-0000-0000-0000-000000000000' AND c.event_id = e.id`;
const CARRY = `
WITH counted AS (
  SELECT b.*, e.user_id, e.points::numeric AS points, e.accepted_at, ${achievedAt('e')} AS achieved_at, a.points AS carried, a.achieved_at AS carried_at,
         lag(e.points::numeric, 1, a.points) OVER in_time AS before, last_value(e.points) OVER in_time AS latest,
         CASE b.sort WHEN 'desc' THEN max(e.points) OVER in_time ELSE min(e.points) OVER in_time END AS best
  FROM score_events e JOIN users u ON u.id = e.user_id AND u.erased_at IS NULL CROSS JOIN LATERAL (${boardsOf('e')}) b
  LEFT JOIN archived_standings a
    ON a.leaderboard_id = b.leaderboard_id AND a.season = b.season AND a.user_id = e.user_id
  WHERE e.id >= $1 AND e.id < $2 AND e.status = 'counted'
  WINDOW in_time AS (PARTITION BY b.leaderboard_id, b.season, e.user_id ORDER BY e.accepted_at, e.id
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
INSERT INTO archived_standings AS a (leaderboard_id, season, user_id, points, achieved_at, action_id, metadata)
SELECT s.leaderboard_id, s.season, s.user_id, s.score, s.achieved_at, m.action_id, m.metadata
FROM (
SELECT leaderboard_id, season, user_id, operator,
       CASE operator WHEN 'increment' THEN coalesce(carried, 0) + sum(points) WHEN 'latest' THEN latest
                     ELSE CASE WHEN ${staysBest('sort', 'carried', 'best')} THEN carried ELSE best END END AS score,
       CASE operator
         -- As long as nothing was added, the first event has made the score.
         WHEN 'increment' THEN coalesce(greatest(carried_at, max(achieved_at) FILTER (WHERE points <> 0)), (array_agg(achieved_at ORDER BY accepted_at))[1])
         WHEN 'latest' THEN coalesce(max(achieved_at) FILTER (WHERE points IS DISTINCT FROM before), carried_at)
         ELSE CASE WHEN ${staysBest('sort', 'carried', 'best')} THEN carried_at
                   ELSE (array_agg(achieved_at ORDER BY accepted_at, achieved_at) FILTER (WHERE points = best))[1] END END AS achieved_at
FROM counted
GROUP BY leaderboard_id, season, user_id, sort, operator, carried, carried_at, best, latest
) s LEFT JOIN LATERAL (
  ${eventBehind('s', 's.operator', 's.leaderboard_id', 's.season', 'e.id >= $1 AND e.id < $2')}
) m ON EXISTS (SELECT FROM actions o WHERE o.id = m.action_id AND o.public_metadata <> '{}')
ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE
SET points = excluded.points, achieved_at = excluded.achieved_at,
    -- The event behind an old score was carried with an earlier page.
    action_id = CASE WHEN a.achieved_at = excluded.achieved_at THEN a.action_id ELSE excluded.action_id END,
    metadata = CASE WHEN a.achieved_at = excluded.achieved_at THEN a.metadata ELSE excluded.metadata END`;
const CARRIED = 'UPDATE archive_progress SET carried_before = $1';

const EVENTS_A_PAGE = 20_000;

/** Carries a page of a month that is closed. @returns whether there is more */
export async function carry(client: Queryable, month: Month, page = EVENTS_A_PAGE): Promise<boolean> {
  const [from, until] = idsOf(month);
  const { rows } = await client.query<{ carried: string }>(LOCK_PROGRESS);
  const carried = rows[0]?.carried ?? from;
  if (carried >= until) return false;
  const end = await client.query<{ id: string }>(END_OF_PAGE, [carried, until, page]);
  const ids = [carried, end.rows[0]?.id ?? until];
  await client.query(FORGET_KEYS, ids);
  await client.query(CARRY, ids);
  await client.query(CARRIED, [ids[1]]);
  return ids[1] !== until;
}

/** There is no table to drop where the events are in the default partition. */
const DELETE_ROWS = 5_000;
const DELETE = `
DELETE FROM score_events_default WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM score_events_default WHERE id >= $1 AND id < $2 LIMIT ${DELETE_ROWS}))`;

/** Drops a month that is carried. @returns `later` if the locks were not to be had, `more` if not all of it is gone */
export async function drop(client: Queryable, month: Month): Promise<'dropped' | 'more' | 'later'> {
  const { partition } = month;
  if (partition === null)
    return (await client.query(DELETE, idsOf(month))).rowCount === DELETE_ROWS ? 'more' : 'dropped';
  return (await briefly(client, () => dropPartition(client, partition))) ? 'dropped' : 'later';
}

/** To look for tokens reads all that are remembered. A bite of a job may take a little longer. */
const STEP_MS = 15_000;

/** How an operator learns that old events are kept. */
type OnKept = (month: string, why: string) => void;

/**
 * Takes the next step with the oldest month, if all of it is older than the retention.
 * @param retention in seconds
 * @returns whether there may be more to do: `later` if a lock was not to be had
 */
export async function dropNextEvents(
  client: Queryable,
  retention: number,
  onKept: OnKept,
): Promise<'done' | 'more' | 'later'> {
  const month = await oldestMonth(client);
  if (month === null || month.end > now() - retention * 1000) return 'done';
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS locked', [
    ARCHIVE_LOCK,
  ]);
  // A month that is being archived must not go before it is in its file.
  if (rows[0]?.locked !== true) return 'later';
  await client.query(`SET LOCAL statement_timeout = ${STEP_MS}`);
  const closed = await close(client, month);
  if (closed === 'later') return 'later';
  if (closed !== 'closed') {
    onKept(month.name, closed.why);
    return 'done';
  }
  if (await carry(client, month)) return 'more';
  return (await drop(client, month)) === 'later' ? 'later' : 'more';
}
