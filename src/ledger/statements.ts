import { milliseconds, timestampAt } from '../postgres/sql.js';
import { boardsOf, countsFor, countsForSeasonOf } from './event-boards.js';
import { passFences } from './fence.js';

/** What tokens were counted as. $1 token ids. */
export const CONSUMED_TOKENS = `
SELECT token_id AS "tokenId", event_id AS "eventId", user_id AS "userId", accepted_at AS "acceptedAt"
FROM consumed_tokens WHERE token_id = ANY ($1::text[])`;

/** Takes the locks of users in the order of RECORD_BATCH. $1 user ids. */
export const LOCK_PLAYERS = `
SELECT id, banned_at IS NOT NULL AS banned, (extract(epoch FROM now()) * 1000)::float8 AS now
FROM users WHERE id = ANY ($1::text[]) AND erased_at IS NULL
ORDER BY id
FOR NO KEY UPDATE`;

/** The past in pairs: $1 user ids, $2 what with, $3 an id before which nothing is looked for, $4 since when in milliseconds. */
const PAST = (what: string) => `
FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[]) AS p (user_id, ${what}, after_id, since)
JOIN score_events e ON e.user_id = p.user_id AND e.id >= p.after_id
                   AND e.accepted_at >= ${timestampAt('p.since')}`;

/** How often users have done an action on a day (of UTC, from 1970), and when the last time. What is held counts too. */
export const PAST_DAYS = `
SELECT e.user_id AS "userId", e.action_id AS "actionId", floor(extract(epoch FROM e.accepted_at) / 86400)::int AS day,
       count(*) AS count, max(e.accepted_at) AS last
${PAST('action_id')} AND e.action_id = p.action_id AND e.status <> 'voided'
GROUP BY e.user_id, e.action_id, day`;

/** The points that were counted for users on a board. */
export const PAST_POINTS = `
SELECT e.user_id AS "userId", p.leaderboard_id AS "leaderboardId", e.accepted_at AS at, e.points
${PAST('leaderboard_id')} AND ${countsForSeasonOf('e', 'p.leaderboard_id')} AND e.status = 'counted'`;

/**
 * The entries that events of ours have led to, as they are now: for a batch whose answer was lost after its commit. The
 * columns of the board are null where an event has led to none.
 * Scores that others have added since cannot be told apart any more, except that increments commute. $1 event ids.
 */
export const RECORDED_EVENTS = `
SELECT e.id AS "eventId", e.status = 'held' AS held, e.skipped, s.*
FROM score_events e
LEFT JOIN LATERAL (
  SELECT b.leaderboard_id AS leaderboard, b.season, s.score,
         CASE WHEN b.operator = 'increment' AND s.version > 1 THEN s.score - e.points END AS "previousScore",
         ${milliseconds('s.achieved_at')} AS "achievedAt", NULL AS "previousAchievedAt", s.version
  FROM (${boardsOf('e')}) b
  JOIN scores s ON s.leaderboard_id = b.leaderboard_id AND s.season = b.season AND s.user_id = e.user_id
               AND s.score IS NOT NULL
) s ON e.status = 'counted'
WHERE e.id = ANY ($1::text[])
ORDER BY e.id, s.leaderboard`;

/** Boards and users that some events count for. $1 event ids. */
const TARGETS = `
  SELECT DISTINCT e.user_id, b.* FROM score_events e, LATERAL (${boardsOf('e')}) b WHERE e.id = ANY ($1::text[])`;

/** Keeps the leaderboards that some events count for as they are until the transaction ends. $1 event ids. */
export const PASS_FENCES = passFences(`(${TARGETS}) target`);

/**
 * Makes the scores what the ledger says, on all boards that some events count for, each for the user of the event. The
 * locks must be held. Events count in the order of their times; a score is achieved when it last changed. What is left
 * without a counted event keeps its row, without a score. $1 event ids. The entries that have changed.
 */
export const RECOMPUTE = `
WITH target AS MATERIALIZED (
  SELECT t.* FROM (${TARGETS}) t JOIN users u ON u.id = t.user_id AND u.erased_at IS NULL
), final AS MATERIALIZED (
  SELECT t.user_id, t.leaderboard_id, t.season, f.achieved_at,
         -- A sum may not even fit a bigint: the CHECK on scores is to refuse it.
         greatest(least(f.score, 9007199254740992), -9007199254740992)::bigint AS score
  FROM target t CROSS JOIN LATERAL (
    WITH counted AS MATERIALIZED (
      SELECT e.id, e.accepted_at, e.points FROM score_events e
      WHERE e.user_id = t.user_id AND e.status = 'counted'
        AND ${countsFor('e', 't.leaderboard_id', 't.season')}
    )
    SELECT sum(points) AS score,
           greatest(min(accepted_at), max(accepted_at) FILTER (WHERE points <> 0)) AS achieved_at
    FROM counted WHERE t.operator = 'increment' HAVING count(*) > 0
    UNION ALL
    (SELECT points, min(accepted_at) FROM counted WHERE t.operator = 'best'
     GROUP BY points ORDER BY CASE t.sort WHEN 'desc' THEN -points ELSE points END LIMIT 1)
    UNION ALL
    (SELECT points, accepted_at
     FROM (SELECT *, lag(points) OVER (ORDER BY accepted_at, id) AS previous
           FROM counted WHERE t.operator = 'latest') s
     WHERE points IS DISTINCT FROM previous ORDER BY accepted_at DESC, id DESC LIMIT 1)
  ) f
)
INSERT INTO scores AS s (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
SELECT t.leaderboard_id, t.season, t.user_id, f.score, CASE t.sort WHEN 'desc' THEN -f.score ELSE f.score END,
       coalesce(f.achieved_at, now()), 1
FROM target t
LEFT JOIN final f ON f.user_id = t.user_id AND f.leaderboard_id = t.leaderboard_id AND f.season = t.season
WHERE f.score IS NOT NULL OR EXISTS (
  SELECT FROM scores k WHERE k.leaderboard_id = t.leaderboard_id AND k.season = t.season AND k.user_id = t.user_id)
ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE
SET score = excluded.score, sort_key = excluded.sort_key, achieved_at = excluded.achieved_at, version = s.version + 1
WHERE s.score IS DISTINCT FROM excluded.score OR s.achieved_at <> excluded.achieved_at AND s.score IS NOT NULL
RETURNING leaderboard_id AS leaderboard, season, user_id AS "userId", score, ${milliseconds('achieved_at')} AS "achievedAt", version`;
