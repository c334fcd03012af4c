import { CHANGES_CHANNEL } from '../changes/change.js';

/** How many entries one notification carries: its payload is limited to 8,000 bytes, an entry takes up to 80. */
const ROWS_PER_NOTIFICATION = 64;

/**
 * Records one batch of submissions: one statement, so one round trip and one commit.
 *
 * $1 event ids, $2 token ids, $3 user ids, $4 action ids, $5 points, $6 metadata as JSON text or null,
 * $7 age of each submission in milliseconds, $8 expiry of each token in seconds since the epoch, $9 this instance.
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
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::float8[], $8::float8[])
    WITH ORDINALITY AS s (event_id, token_id, user_id, action_id, points, metadata, age_ms, expires_at, ordinal)
), player AS MATERIALIZED (
  SELECT id, banned_at IS NOT NULL AS banned
  FROM users
  WHERE id = ANY ($3::text[]) AND erased_at IS NULL
  ORDER BY id
  FOR NO KEY UPDATE
), consumed AS (
  INSERT INTO consumed_tokens (token_id, event_id, user_id, accepted_at, expires_at)
  SELECT s.token_id, s.event_id, s.user_id,
         statement_timestamp() - s.age_ms * interval '1 millisecond', to_timestamp(s.expires_at)
  FROM submission s JOIN player p ON p.id = s.user_id AND NOT p.banned
  ORDER BY s.token_id COLLATE "C", s.ordinal
  ON CONFLICT (token_id) DO NOTHING
  RETURNING event_id, accepted_at
), accepted AS MATERIALIZED (
  SELECT s.*, c.accepted_at FROM submission s JOIN consumed c ON c.event_id = s.event_id
), recorded AS (
  INSERT INTO score_events (id, user_id, action_id, token_id, points, metadata, accepted_at)
  SELECT event_id, user_id, action_id, token_id, points, metadata::json, accepted_at FROM accepted
), board AS MATERIALIZED (
  SELECT id, season, sort, operator FROM leaderboards
  WHERE id IN (SELECT leaderboard_id FROM action_leaderboards WHERE action_id IN (SELECT action_id FROM accepted))
  ORDER BY id
  FOR KEY SHARE
), standing AS MATERIALIZED (
  SELECT l.id AS leaderboard_id, l.season, l.sort, l.operator, u.user_id,
         s.score, s.achieved_at, s.version, s.user_id IS NOT NULL AS exists
  FROM (SELECT DISTINCT al.leaderboard_id, a.user_id
        FROM accepted a JOIN action_leaderboards al ON al.action_id = a.action_id) u
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
             user_id, score, (extract(epoch FROM achieved_at) * 1000)::bigint, version)))::text)
  FROM (SELECT *, (row_number() OVER (PARTITION BY leaderboard_id) - 1) / ${ROWS_PER_NOTIFICATION} AS part FROM final) f
  GROUP BY leaderboard_id, season, part
)
SELECT s.ordinal::int - 1 AS index, p.id IS NOT NULL AS "userExists", p.banned, a.accepted_at AS "acceptedAt",
       t.leaderboard_id AS "leaderboardId", t.season, t.score, t.previous_score AS "previousScore",
       t.achieved_at AS "achievedAt", t.version
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

/**
 * The entries that events of ours have led to, as they stand now: for a batch whose answer was lost after its commit.
 * Scores that others have added since cannot be told apart any more, except that increments commute. $1 event ids.
 */
export const RECORDED_EVENTS = `
SELECT e.id AS "eventId", l.id AS "leaderboardId", l.season, s.score,
       CASE WHEN l.operator = 'increment' AND s.version > 1 THEN s.score - e.points END AS "previousScore",
       s.achieved_at AS "achievedAt", s.version
FROM score_events e
JOIN action_leaderboards al ON al.action_id = e.action_id
JOIN leaderboards l ON l.id = al.leaderboard_id
JOIN scores s ON s.leaderboard_id = l.id AND s.season = l.season AND s.user_id = e.user_id
WHERE e.id = ANY ($1::text[])
ORDER BY e.id, l.id`;

/** Deletes tokens that nobody can present any more, a bounded number at a time. $1 tolerance in seconds, $2 how many. */
export const PURGE_TOKENS = `
DELETE FROM consumed_tokens WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM consumed_tokens WHERE expires_at < now() - $1 * interval '1 second' LIMIT $2))`;
