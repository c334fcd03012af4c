import { CHANGES_CHANNEL } from '../changes/change.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';

/** How many entries one notification carries: its payload is limited to 8,000 bytes, an entry takes up to 80. */
export const ROWS_PER_NOTIFICATION = 64;

/**
 * Records one batch of submissions: one statement, so one round trip and one commit.
 *
 * $1 event ids, $2 token ids, $3 user ids, $4 action ids, $5 points, $6 metadata as JSON text or null,
 * $7 age of each submission in milliseconds when the transaction began, $8 expiry of each token in seconds since the epoch,
 * $9 this instance, $10 whether it is held, $11 who has issued the token or null, $12 the key that has signed it.
 *
 * Order of locks, the same for every batch on every instance: users by id, tokens by id, boards by id. Whoever holds a
 * user's row owns all of that user's scores, so no two batches can deadlock over them, and erasing or banning a user waits
 * its turn; so does changing how a board sorts.
 *
 * A statement sees the database as it was when it began, which may be before it got its locks. `consumed` does not mind
 * (ON CONFLICT looks at what is there now), nor does `standing` (FOR UPDATE reads the newest version of a row), but an
 * entry that another batch has just created is invisible: then `created` breaks the primary key of scores, and the whole
 * batch is sent again.
 */
export const RECORD_BATCH = `
WITH submission AS MATERIALIZED (
  SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::float8[], $8::float8[],
              $10::bool[], $11::text[], $12::text[])
    WITH ORDINALITY AS s (event_id, token_id, user_id, action_id, points, metadata, age_ms, expires_at, held, issued_by,
                          signing_key, ordinal)
), player AS MATERIALIZED (
  SELECT id, banned_at IS NOT NULL AS banned
  FROM users
  WHERE id = ANY ($3::text[]) AND erased_at IS NULL
  ORDER BY id
  FOR NO KEY UPDATE
), consumed AS (
  INSERT INTO consumed_tokens (token_id, event_id, user_id, accepted_at, expires_at)
  SELECT s.token_id, s.event_id, s.user_id,
         now() - s.age_ms * interval '1 millisecond', to_timestamp(s.expires_at)
  FROM submission s JOIN player p ON p.id = s.user_id AND NOT p.banned
  ORDER BY s.token_id COLLATE "C", s.ordinal
  ON CONFLICT (token_id) DO NOTHING
  RETURNING event_id, accepted_at
), accepted AS MATERIALIZED (
  SELECT s.*, c.accepted_at FROM submission s JOIN consumed c ON c.event_id = s.event_id
), board AS MATERIALIZED (
  SELECT id, season, sort, operator FROM leaderboards
  WHERE id IN (SELECT leaderboard_id FROM action_leaderboards WHERE action_id IN (SELECT action_id FROM accepted))
  ORDER BY id
  FOR KEY SHARE
), fed AS (
  SELECT al.action_id, jsonb_object_agg(b.id, b.season) AS boards
  FROM action_leaderboards al JOIN board b ON b.id = al.leaderboard_id
  GROUP BY al.action_id
), recorded AS (
  INSERT INTO score_events (id, user_id, action_id, token_id, points, metadata, accepted_at, status, boards, issued_by,
                            signing_key)
  SELECT a.event_id, a.user_id, a.action_id, a.token_id, a.points, a.metadata::json, a.accepted_at,
         CASE WHEN a.held THEN 'held' ELSE 'counted' END, coalesce(f.boards, '{}'), a.issued_by, a.signing_key
  FROM accepted a LEFT JOIN fed f ON f.action_id = a.action_id
), standing AS MATERIALIZED (
  SELECT l.id AS leaderboard_id, l.season, l.sort, l.operator, u.user_id,
         s.score, CASE WHEN s.score IS NOT NULL THEN s.achieved_at END AS achieved_at, s.version,
         s.user_id IS NOT NULL AS exists
  FROM (SELECT DISTINCT al.leaderboard_id, a.user_id
        FROM accepted a JOIN action_leaderboards al ON al.action_id = a.action_id
        WHERE NOT a.held) u
  JOIN board l ON l.id = u.leaderboard_id
  LEFT JOIN LATERAL (
    SELECT * FROM scores
    WHERE leaderboard_id = l.id AND season = l.season AND user_id = u.user_id
    FOR UPDATE
  ) s ON true
), scored AS (
  SELECT a.ordinal, a.accepted_at, b.leaderboard_id, b.season, b.sort, b.user_id, b.exists,
         b.score AS standing_score, b.achieved_at AS standing_since,
         coalesce(b.version, 0) + row_number() OVER so_far AS version,
         CASE b.operator
           WHEN 'increment' THEN (coalesce(b.score, 0) + sum(a.points) OVER so_far)::bigint
           WHEN 'latest' THEN a.points
           ELSE CASE b.sort
             WHEN 'desc' THEN greatest(b.score, max(a.points) OVER so_far)
             ELSE least(b.score, min(a.points) OVER so_far)
           END
         END AS score
  FROM accepted a
  JOIN action_leaderboards al ON al.action_id = a.action_id
  JOIN standing b ON b.leaderboard_id = al.leaderboard_id AND b.user_id = a.user_id
  WHERE NOT a.held
  WINDOW so_far AS (PARTITION BY b.leaderboard_id, b.user_id ORDER BY a.ordinal)
), stepped AS (
  SELECT *, coalesce(lag(score) OVER so_far, standing_score) AS previous_score
  FROM scored
  WINDOW so_far AS (PARTITION BY leaderboard_id, user_id ORDER BY ordinal)
), step AS MATERIALIZED (
  SELECT *,
         greatest(standing_since, max(accepted_at) FILTER (WHERE score IS DISTINCT FROM previous_score) OVER so_far)
           AS achieved_at,
         max(abs(score)) OVER so_far AS peak
  FROM stepped
  WINDOW so_far AS (PARTITION BY leaderboard_id, user_id ORDER BY ordinal)
), final AS MATERIALIZED (
  -- A score that left the range on its way is written as it was there, so that the CHECK on scores refuses it.
  SELECT DISTINCT ON (leaderboard_id, user_id)
         leaderboard_id, season, user_id, exists, achieved_at, version,
         CASE WHEN peak > 9007199254740991 THEN peak ELSE score END AS score,
         CASE sort WHEN 'desc' THEN -score ELSE score END AS sort_key
  FROM step
  ORDER BY leaderboard_id, user_id, ordinal DESC
), changed AS (
  UPDATE scores s
  SET score = f.score, sort_key = f.sort_key, achieved_at = f.achieved_at, version = f.version
  FROM final f
  WHERE f.exists AND s.leaderboard_id = f.leaderboard_id AND s.season = f.season AND s.user_id = f.user_id
), created AS (
  INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
  SELECT leaderboard_id, season, user_id, score, sort_key, achieved_at, version FROM final WHERE NOT exists
), announced AS (
  SELECT pg_notify('${CHANGES_CHANNEL}', json_build_object(
           'type', 'scores', 'instance', $9::text, 'leaderboard', leaderboard_id, 'season', season,
           'entries', json_agg(json_build_array(
             user_id, score, ${milliseconds('achieved_at')}::bigint, version)))::text)
  FROM (SELECT *, (row_number() OVER (PARTITION BY leaderboard_id) - 1) / ${ROWS_PER_NOTIFICATION} AS part FROM final) f
  GROUP BY leaderboard_id, season, part
)
SELECT s.ordinal::int - 1 AS index, p.id IS NOT NULL AS "userExists", p.banned, ${milliseconds('a.accepted_at')} AS "acceptedAt", s.held,
       t.leaderboard_id AS "leaderboardId", t.season, t.score, t.previous_score AS "previousScore",
       ${milliseconds('t.achieved_at')} AS "achievedAt", t.version
FROM submission s
LEFT JOIN player p ON p.id = s.user_id
LEFT JOIN accepted a ON a.ordinal = s.ordinal
LEFT JOIN step t ON t.ordinal = s.ordinal
WHERE (SELECT count(*) FROM announced) >= 0
ORDER BY s.ordinal, t.leaderboard_id`;

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
${PAST('leaderboard_id')} AND e.boards ? p.leaderboard_id AND e.status = 'counted'`;

/**
 * The entries that events of ours have led to, as they stand now: for a batch whose answer was lost after its commit. The
 * columns of the board are null where an event has led to none.
 * Scores that others have added since cannot be told apart any more, except that increments commute. $1 event ids.
 */
export const RECORDED_EVENTS = `
SELECT e.id AS "eventId", e.status = 'held' AS held, l.id AS "leaderboardId", l.season, s.score,
       CASE WHEN l.operator = 'increment' AND s.version > 1 THEN s.score - e.points END AS "previousScore",
       s.achieved_at AS "achievedAt", s.version
FROM score_events e
LEFT JOIN (leaderboards l JOIN scores s ON s.leaderboard_id = l.id AND s.season = l.season AND s.score IS NOT NULL)
  ON s.user_id = e.user_id AND e.status = 'counted' AND e.boards @> jsonb_build_object(l.id, l.season)
WHERE e.id = ANY ($1::text[])
ORDER BY e.id, l.id`;

/** Deletes tokens that nobody can present any more, a bounded number at a time. $1 tolerance in seconds, $2 how many. */
export const PURGE_TOKENS = `
DELETE FROM consumed_tokens WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM consumed_tokens WHERE expires_at < now() - $1 * interval '1 second' LIMIT $2))`;

/**
 * The boards and seasons that an event counts for. An instance of the version before the column does not write it; for such
 * an event they are what its action feeds.
 */
export const BOARDS_OF_EVENT = (event: string): string => `coalesce(${event}.boards, (
    SELECT coalesce(jsonb_object_agg(l.id, l.season), '{}') FROM action_leaderboards al JOIN leaderboards l ON l.id = al.leaderboard_id
    WHERE al.action_id = ${event}.action_id))`;

/** Which boards of which users events count for. */
const TARGETS = `
  SELECT DISTINCT e.user_id, b.key COLLATE "C" AS leaderboard_id, b.value::int AS season
  FROM score_events e, jsonb_each_text(e.boards) b
  WHERE e.id = ANY ($1::text[])`;

/** Keeps the rules of the boards that events count for as they are. $1 event ids, whose boards are written. */
export const LOCK_BOARDS = `
SELECT FROM leaderboards WHERE id IN (SELECT leaderboard_id FROM (${TARGETS}) t) ORDER BY id FOR KEY SHARE`;

/**
 * Makes the scores what the ledger says, on all boards that some events count for, each for the user of the event. The
 * locks must be held. Events count in the order of their times; a score is achieved when it last changed. What is left
 * without a counted event keeps its row, without a score. $1 event ids. The entries that have changed.
 */
export const RECOMPUTE = `
WITH target AS MATERIALIZED (
  SELECT t.*, l.sort, l.operator
  FROM (${TARGETS}) t
  JOIN leaderboards l ON l.id = t.leaderboard_id
  JOIN users u ON u.id = t.user_id AND u.erased_at IS NULL
), final AS MATERIALIZED (
  SELECT t.user_id, t.leaderboard_id, t.season, f.achieved_at,
         -- A sum may not even fit a bigint: the CHECK on scores is to refuse it.
         greatest(least(f.score, 9007199254740992), -9007199254740992)::bigint AS score
  FROM target t CROSS JOIN LATERAL (
    WITH counted AS MATERIALIZED (
      SELECT e.id, e.accepted_at, e.points FROM score_events e
      WHERE e.user_id = t.user_id AND e.status = 'counted'
        AND ${BOARDS_OF_EVENT('e')} @> jsonb_build_object(t.leaderboard_id, t.season)
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
RETURNING leaderboard_id AS "leaderboardId", season, user_id AS "userId", score, achieved_at AS "achievedAt", version`;
