import type { IdPrefix } from '../ids.js';
import { achievedAt, ofAnyStatus } from '../postgres/events-of-user.js';
import { finiteMilliseconds, milliseconds, timestampAt } from '../postgres/sql.js';
import { toUuids } from '../stored-ids.js';
import { boardsOf, countsFor, countsForSeasonOf, isLate } from './event-boards.js';
import { passFences } from './fence.js';
import { staysBest } from './old-events.js';
import { isWithheld } from './withheld.js';

/**
 * The tokens $1 that were consumed, of which $2 and $3 are the first and the last id: PostgreSQL leaves out the other partitions
 * before it begins, and not for each token.
 */
const CONSUMED = `
FROM unnest($1::uuid[]) AS t (id) JOIN consumed_tokens c ON c.token_id = t.id AND c.token_id BETWEEN $2 AND $3`;
/** Ids, and the first and the last of them. */
export const idParameters = (prefix: IdPrefix, ids: readonly string[]): unknown[] => {
  const uuids = toUuids(prefix, ids).sort();
  return [uuids, uuids[0], uuids.at(-1)];
};
export const CONSUMED_IDS = `SELECT c.token_id AS "tokenId" ${CONSUMED}`;
/** What they were counted as. */
export const CONSUMED_TOKENS = `SELECT c.token_id AS "tokenId", c.event_id AS "eventId" ${CONSUMED}`;

/** The events $1, of which $2 and $3 are the first and the last id: without these each month and its indexes would be locked. */
const EVENTS = 'JOIN score_events e ON e.id = o.id AND e.id BETWEEN $2 AND $3';
export const THESE_EVENTS = `unnest($1::uuid[]) AS o (id) ${EVENTS}`;
export const COUNTED_EVENTS = `
SELECT e.id AS "eventId", e.user_id AS "userId", e.accepted_at AS "acceptedAt" FROM ${THESE_EVENTS}`;

/** Takes the locks of users in the order of RECORD_BATCH. $1 user ids. */
export const LOCK_PLAYERS = `
SELECT FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`;

/** Takes the locks of users, in the same order, but of those that nobody holds. $1 user ids. */
export const LOCK_FREE_PLAYERS = `
WITH free AS MATERIALIZED (
  SELECT id, banned_at FROM users WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL
  ORDER BY id
  FOR NO KEY UPDATE SKIP LOCKED
)
SELECT u.id, f.id IS NULL AS locked, f.banned_at IS NOT NULL AS banned, (extract(epoch FROM now()) * 1000)::float8 AS now
FROM users u LEFT JOIN free f ON f.id = u.id
WHERE u.id = ANY ($1::uuid[]) AND u.erased_at IS NULL`;

/** The past in pairs: $1 user ids, $2 what with, $3 since when in milliseconds, $4 and $5 ids between which all of it is. */
const WANTED = (what: string) =>
  `unnest($1::uuid[], $2::text[], $3::float8[]) AS p (user_id, ${what}, since)`;
const PAST = `
score_events e WHERE e.user_id = p.user_id AND e.accepted_at >= ${timestampAt('p.since')} AND e.id >= $4 AND e.id < $5`;

/** How often users have done an action on a day (of UTC, from 1970), and when the last time. What is held counts too, what is imported does not. */
export const PAST_DAYS = `
SELECT e.user_id AS "userId", e.action_id AS "actionId", floor(extract(epoch FROM e.accepted_at) / 86400)::int AS day,
       count(*) AS count, max(e.accepted_at) AS last
FROM ${WANTED('action_id')}, LATERAL ${ofAnyStatus((status) => `SELECT * FROM ${PAST} AND ${status}`)} e
WHERE e.action_id = p.action_id AND e.status <> 'voided' AND e.achieved_at IS NULL
GROUP BY e.user_id, e.action_id, day`;

/** The points that were counted for users on a board, without imported ones. */
export const PAST_POINTS = `
SELECT e.user_id AS "userId", p.leaderboard_id AS "leaderboardId", e.accepted_at AS at, e.points
FROM ${WANTED('leaderboard_id')}, ${PAST} AND ${countsForSeasonOf('e', 'p.leaderboard_id')} AND e.status = 'counted' AND e.achieved_at IS NULL`;

/**
 * The entries that events of ours have led to, as they are now: for a batch whose answer was lost after its commit. The
 * columns of the board are null where an event has led to none.
 * Scores that others have added since cannot be told apart any more, except that increments commute. $1, $2 and $3 as above, $4
 * when the tokens were issued, in seconds since the epoch, or null.
 */
export const RECORDED_EVENTS = `
SELECT e.id AS "eventId", e.status = 'held' AS held, e.skipped, s.*
FROM unnest($1::uuid[], $4::float8[]) AS o (id, issued_at) ${EVENTS}
LEFT JOIN LATERAL (
  SELECT b.leaderboard_id AS leaderboard, b.season, coalesce(s.score, s.withheld_score) AS score,
         CASE WHEN b.operator = 'increment' AND s.version > 1 THEN coalesce(s.score, s.withheld_score) - e.points END AS "previousScore",
         ${milliseconds('CASE WHEN s.score IS NULL THEN s.withheld_at ELSE s.achieved_at END')} AS "achievedAt",
         NULL AS "previousAchievedAt", s.version, s.score IS NULL AS hidden,
         ${isLate('l', 'b.season', 'e.accepted_at', 'least(to_timestamp(o.issued_at), e.accepted_at)')} AS late,
         (SELECT ${finiteMilliseconds('n.ends_at')} FROM seasons n
          WHERE n.leaderboard_id = b.leaderboard_id AND n.season = b.season) AS "endsAt"
  FROM (${boardsOf('e')}) b JOIN leaderboards l ON l.id = b.leaderboard_id
  JOIN scores s ON s.leaderboard_id = b.leaderboard_id AND s.season = b.season AND s.user_id = e.user_id
               AND coalesce(s.score, s.withheld_score) IS NOT NULL
) s ON e.status = 'counted'
ORDER BY e.id, s.leaderboard`;

const NIL = '00000000-0000-0000-0000-000000000000';

/** Boards and users that some events count for, and the sum of their points there. $1, $2 and $3 as above. */
const TARGETS = `
  SELECT e.user_id, b.*, sum(e.points) AS points
  FROM ${THESE_EVENTS}, LATERAL (${boardsOf('e')}) b
  GROUP BY e.user_id, b.leaderboard_id, b.season, b.sort, b.operator`;

export const BOARDS_OF_EVENTS = `SELECT leaderboard_id, season FROM (${TARGETS}) target`;

/** Keeps the leaderboards that some events count for as they are until the transaction ends. $1, $2 and $3 as above. */
export const PASS_FENCES = passFences(`(${TARGETS}) target`);

/**
 * What counts for the user and board of the row `t`, to be continued with AND or ORDER BY. What archived events count for is in
 * the row itself: `carried` points since `carried_at`, which come before all others.
 */
const COUNTED = `
FROM score_events e
WHERE e.user_id = t.user_id AND e.status = 'counted' AND e.id >= t.carried_before
  AND ${countsFor('e', 't.leaderboard_id', 't.season')}`;

/**
 * What the counted events of the row `t` make of it, by operator. Each subquery reads one row by an index that is in its
 * order, and those of other boards on the way: a user may have hundreds of thousands.
 */
const STANDING = {
  // A sum is kept by what has been added or taken. What has no score is summed up. It is as old as the youngest that was added:
  // an import brings nothing that is younger than itself, so those before the last other event need no look.
  increment: `
    SELECT CASE WHEN t.score IS NULL THEN coalesce((SELECT sum(e.points) ${COUNTED}), 0) + coalesce(t.carried, 0)
                ELSE t.score + $4 * t.points END AS score,
           coalesce(greatest(l.at, t.carried_at, (
                      SELECT max(e.achieved_at) ${COUNTED} AND e.points <> 0 AND e.accepted_at >= coalesce(l.at, '-infinity'))),
                    (SELECT ${achievedAt('e')} ${COUNTED} ORDER BY e.accepted_at, e.id LIMIT 1)) AS achieved_at
    FROM (SELECT (SELECT e.accepted_at ${COUNTED} AND e.points <> 0 AND e.achieved_at IS NULL
                  ORDER BY e.accepted_at DESC, e.id DESC LIMIT 1) AS at) l`,
  best: `
    SELECT CASE WHEN k.stays THEN t.carried ELSE n.points END, CASE WHEN k.stays THEN t.carried_at ELSE n.achieved_at END
    FROM (VALUES (1)) one LEFT JOIN LATERAL (
      SELECT e.points, ${achievedAt('e')} AS achieved_at ${COUNTED} AND e.best AND e.points =
        CASE t.sort WHEN 'desc' THEN (SELECT e.points ${COUNTED} AND e.best ORDER BY e.points DESC LIMIT 1)
                    ELSE (SELECT e.points ${COUNTED} AND e.best ORDER BY e.points LIMIT 1) END
      ORDER BY e.accepted_at, ${achievedAt('e')} LIMIT 1
    ) n ON true, LATERAL (SELECT ${staysBest('t.sort', 't.carried', 'n.points')} AS stays) k`,
  // Achieved by the first of those that have the same points as the last one, with no others in between.
  latest: `
    SELECT coalesce(l.points, t.carried),
           CASE WHEN l.points IS NULL OR o.id IS NULL AND l.points = t.carried THEN t.carried_at ELSE
           (SELECT ${achievedAt('e')} ${COUNTED}
            AND (e.accepted_at, e.id) > (coalesce(o.accepted_at, '-infinity'), coalesce(o.id, '${NIL}'))
            ORDER BY e.accepted_at, e.id LIMIT 1) END
    FROM (VALUES (1)) one
    LEFT JOIN LATERAL (SELECT e.points ${COUNTED} ORDER BY e.accepted_at DESC, e.id DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (
      SELECT e.accepted_at, e.id ${COUNTED} AND e.points <> l.points ORDER BY e.accepted_at DESC, e.id DESC LIMIT 1
    ) o ON true`,
};

/** PostgreSQL expects few events of a user, and would rather read and sort them all than follow an index in its order. */
export const IN_ORDER_OF_INDEXES = `SELECT set_config('enable_sort', 'off', true)`;

/**
 * Makes the scores what the ledger says, on all boards that some events count for, each for the user of the event. The
 * locks must be held, and IN_ORDER_OF_INDEXES set. Events count in the order in which they were accepted; a score is achieved when it last
 * changed. What is left without a counted event keeps its row, without a score; so does the entry of a banned or hidden user,
 * whose score is withheld (see setWithheld). $1, $2 and $3 the events, all of which count since just now, or all no more; $4 accordingly 1 or -1.
 * The entries that have changed.
 */
export const RECOMPUTE = `
WITH target AS MATERIALIZED (
  SELECT t.*, coalesce(k.score, k.withheld_score) AS score, k.user_id IS NOT NULL AS exists, ${isWithheld('u')} AS withheld,
         a.points AS carried, a.achieved_at AS carried_at, p.carried_before
  FROM archive_progress p, (${TARGETS}) t
  JOIN users u ON u.id = t.user_id AND u.erased_at IS NULL
  LEFT JOIN scores k ON k.leaderboard_id = t.leaderboard_id AND k.season = t.season AND k.user_id = t.user_id
  LEFT JOIN archived_standings a
    ON a.leaderboard_id = t.leaderboard_id AND a.season = t.season AND a.user_id = t.user_id
), final AS MATERIALIZED (
  SELECT t.leaderboard_id, t.season, t.user_id, t.sort, t.withheld, f.achieved_at,
         -- A sum may not even fit a bigint: the CHECK on scores is to refuse it.
         CASE WHEN f.achieved_at IS NOT NULL
              THEN greatest(least(f.score, 9007199254740992), -9007199254740992)::bigint END AS score
  FROM target t LEFT JOIN LATERAL (
    ${Object.entries(STANDING)
      .map(([operator, standing]) => `SELECT * FROM (${standing}) s WHERE t.operator = '${operator}'`)
      .join(' UNION ALL ')}
  ) f ON true
  WHERE t.exists OR f.achieved_at IS NOT NULL
)
INSERT INTO scores AS s (leaderboard_id, season, user_id, score, sort_key, achieved_at, withheld_score, withheld_at, version)
SELECT leaderboard_id, season, user_id, CASE WHEN NOT withheld THEN score END,
       CASE WHEN NOT withheld THEN CASE sort WHEN 'desc' THEN -score ELSE score END END,
       CASE WHEN NOT withheld AND score IS NOT NULL THEN achieved_at ELSE now() END,
       CASE WHEN withheld THEN score END, CASE WHEN withheld THEN achieved_at END, 1
FROM final
ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE
SET score = excluded.score, sort_key = excluded.sort_key, achieved_at = excluded.achieved_at,
    withheld_score = excluded.withheld_score, withheld_at = excluded.withheld_at, version = s.version + 1
WHERE s.score IS DISTINCT FROM excluded.score OR s.achieved_at <> excluded.achieved_at AND s.score IS NOT NULL
   OR s.withheld_score IS DISTINCT FROM excluded.withheld_score OR s.withheld_at IS DISTINCT FROM excluded.withheld_at
RETURNING leaderboard_id AS leaderboard, season, user_id AS "userId", score, ${milliseconds('achieved_at')} AS "achievedAt", version`;
