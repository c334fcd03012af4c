import { CHANGES_CHANNEL, ITEMS_PER_NOTIFICATION } from '../changes/change.js';
import { finiteMilliseconds, milliseconds } from '../postgres/sql.js';
import { PLACE, PLACE_IN_ROW } from './event-boards.js';
import { passFences } from './fence.js';

/** The boards that an accepted event counts for. */
const TARGETS = `unnest(a.targets) b (
  leaderboard_id text COLLATE "C", season integer, sort text, operator text, ends_at timestamptz, late boolean)`;

/** What the events have made of a row of `scores`, also if that is withheld. */
const MADE =
  'coalesce(score, withheld_score) AS made, CASE WHEN score IS NULL THEN withheld_at ELSE achieved_at END AS made_at';
/** What a row of `scores` becomes: of a hidden user it counts, and is withheld. */
const SHOWN = `
  CASE WHEN NOT f.hidden THEN f.score END, CASE WHEN NOT f.hidden THEN f.sort_key END,
  CASE WHEN f.hidden THEN now() ELSE f.achieved_at END,
  CASE WHEN f.hidden THEN f.score END, CASE WHEN f.hidden THEN f.achieved_at END`;

/** What the events of a batch make of the entries, step by step: `step`, and `final`, the last one of each entry. */
const STEPS = `counted AS (
  SELECT a.ordinal, a.user_id, a.points, a.accepted_at, a.hidden, b.*, row_number() OVER so_far AS nth
  FROM accepted a, ${TARGETS}
  WHERE NOT a.held
  WINDOW so_far AS (PARTITION BY b.leaderboard_id, b.season, a.user_id ORDER BY a.ordinal)
), entry AS (
  -- The entry before the batch, beside the first event that counts for it.
  SELECT c.*, e.version AS entry_version, e.made AS entry_score,
         CASE WHEN e.made IS NOT NULL THEN e.made_at END AS entry_achieved_at
  FROM counted c LEFT JOIN LATERAL (
    SELECT version, ${MADE} FROM scores
    WHERE c.nth = 1 AND leaderboard_id = c.leaderboard_id AND season = c.season AND user_id = c.user_id
    FOR UPDATE
  ) e ON true
), scored AS (
  SELECT *, first_value(entry_version) OVER so_far IS NOT NULL AS exists,
         first_value(entry_score) OVER so_far AS first_score,
         first_value(entry_achieved_at) OVER so_far AS first_achieved_at,
         coalesce(first_value(entry_version) OVER so_far, 0) + nth AS version,
         CASE operator
           WHEN 'increment' THEN (coalesce(first_value(entry_score) OVER so_far, 0) + sum(points) OVER so_far)::bigint
           WHEN 'latest' THEN points
           ELSE CASE sort
             WHEN 'desc' THEN greatest(first_value(entry_score) OVER so_far, max(points) OVER so_far)
             ELSE least(first_value(entry_score) OVER so_far, min(points) OVER so_far)
           END
         END AS score
  FROM entry
  WINDOW so_far AS (PARTITION BY leaderboard_id, season, user_id ORDER BY ordinal)
), stepped AS (
  SELECT *, coalesce(lag(score) OVER so_far, first_score) AS previous_score
  FROM scored
  WINDOW so_far AS (PARTITION BY leaderboard_id, season, user_id ORDER BY ordinal)
), achieved AS (
  SELECT *,
         greatest(first_achieved_at,
                  max(accepted_at) FILTER (WHERE score IS DISTINCT FROM previous_score) OVER so_far) AS achieved_at,
         max(abs(score)) OVER so_far AS peak
  FROM stepped
  WINDOW so_far AS (PARTITION BY leaderboard_id, season, user_id ORDER BY ordinal)
), step AS MATERIALIZED (
  SELECT *, coalesce(lag(achieved_at) OVER so_far, first_achieved_at) AS previous_achieved_at
  FROM achieved
  WINDOW so_far AS (PARTITION BY leaderboard_id, season, user_id ORDER BY ordinal)
), final AS MATERIALIZED (
  -- A score that left the range on its way is written as it was there, so that the CHECK on scores refuses it.
  SELECT DISTINCT ON (leaderboard_id, season, user_id)
         leaderboard_id, season, user_id, hidden, exists, achieved_at, version,
         CASE WHEN peak > 9007199254740991 THEN peak ELSE score END AS score,
         CASE sort WHEN 'desc' THEN -score ELSE score END AS sort_key
  FROM step
  ORDER BY leaderboard_id, season, user_id, ordinal DESC`;

/** The same where no user comes twice, as in most batches: each entry takes one step, which needs no windows. */
const ONE_STEP_EACH = `counted AS (
  SELECT a.ordinal, a.user_id, a.points, a.accepted_at, a.hidden, b.*
  FROM accepted a, ${TARGETS}
  WHERE NOT a.held
), entry AS (
  SELECT c.*, e.version IS NOT NULL AS exists, coalesce(e.version, 0) + 1 AS version, e.made AS previous_score,
         CASE WHEN e.made IS NOT NULL THEN e.made_at END AS previous_achieved_at,
         CASE c.operator
           WHEN 'increment' THEN coalesce(e.made, 0) + c.points
           WHEN 'latest' THEN c.points
           ELSE CASE c.sort WHEN 'desc' THEN greatest(e.made, c.points) ELSE least(e.made, c.points) END
         END AS score
  FROM counted c LEFT JOIN LATERAL (
    SELECT version, ${MADE} FROM scores
    WHERE leaderboard_id = c.leaderboard_id AND season = c.season AND user_id = c.user_id
    FOR UPDATE
  ) e ON true
), step AS MATERIALIZED (
  SELECT *, greatest(previous_achieved_at, CASE WHEN score IS DISTINCT FROM previous_score THEN accepted_at END) AS achieved_at,
         CASE sort WHEN 'desc' THEN -score ELSE score END AS sort_key
  FROM entry
), final AS (
  SELECT * FROM step`;

/**
 * Records one batch of submissions: one statement, so one round trip and one commit.
 *
 * $1 event ids, $2 token ids, $3 user ids, $4 action ids, $5 points, $6 metadata as JSON text or null,
 * $7 age of each submission in milliseconds when the transaction began, $8 expiry of each token in seconds since the epoch,
 * $9 this instance, $10 whether it is held, $11 who has issued the token or null (see score_events), $12 the key that has signed it,
 * $13 the id of the change, $14 when the token was issued, in seconds since the epoch, or null, $15 the seasons that the sender
 * expects, as JSON text, or null.
 *
 * Order of locks, the same for every batch on every instance: users by id, fences of the leaderboards by number, leaderboards
 * by id, tokens by id. The holder of a user's row owns all of that user's scores, so no two batches can deadlock over them,
 * and erasing or banning a user waits its turn. A batch does not wait for a user: what comes for one that is locked by
 * somebody else is refused as `locked`, to be sent again, so that the others of the batch do not wait for it. A change of a leaderboard takes its fence exclusively and before anything
 * else, then the row FOR UPDATE.
 *
 * A statement sees the database as it was when it began, which may be before it got its locks:
 * - `board` reads the newest version of a row, because the change that a batch waited for at the fence has locked the row
 *   FOR UPDATE. A change that has not (a page that is turned) does not wait for batches, and batches may miss it: what they make
 *   of the old row is the same.
 * - `consumed` looks at the tokens that are there now (ON CONFLICT).
 * - `entry` reads the newest version of a row (FOR UPDATE), but a row that another batch has just created is invisible. Then
 *   `created` breaks the primary key of scores, and the whole batch is sent again.
 *
 * A submission that is refused consumes no token. What a hidden user scores counts, and is neither shown nor announced.
 * @param place see event-boards.ts
 * @param steps what follows from the accepted events, as the CTEs `step` and `final`
 */
const recordBatchSql = (place: string, steps: string): string => `
WITH submission AS MATERIALIZED (
  SELECT ordinal, event_id, token_id, user_id, action_id, points, metadata,
         accepted_at, least(to_timestamp(issued_at), accepted_at) AS issued_at, to_timestamp(expires_at) AS expires_at,
         held, issued_by, signing_key, expected::jsonb AS expected
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::float8[], $8::float8[],
              $10::bool[], $11::uuid[], $12::text[], $14::float8[], $15::text[])
    WITH ORDINALITY AS s (event_id, token_id, user_id, action_id, points, metadata, age_ms, expires_at, held, issued_by,
                          signing_key, issued_at, expected, ordinal),
  LATERAL (SELECT (now() - age_ms * interval '1 millisecond')::timestamptz(3) AS accepted_at) arrival
), player AS MATERIALIZED (
  SELECT id, banned_at IS NOT NULL AS banned, hidden_at IS NOT NULL AS hidden
  FROM users
  WHERE id = ANY ($3::uuid[]) AND erased_at IS NULL
  ORDER BY id
  FOR NO KEY UPDATE SKIP LOCKED
), feed AS MATERIALIZED (
  -- The count is there to lock all players first.
  SELECT action_id, leaderboard_id FROM action_leaderboards
  WHERE action_id = ANY ($4::text[]) AND (SELECT count(*) FROM player) >= 0
), fence AS MATERIALIZED (
  ${passFences('feed')}
), board AS MATERIALIZED (
  SELECT id, season, sort, operator, season_starts_at, season_ends_at, next_starts_at, next_ends_at, closed_through, late_tokens,
         grace_ms, removed_through, frozen_at
  FROM leaderboards
  WHERE id = ANY (ARRAY(SELECT leaderboard_id FROM feed)) AND removed_at IS NULL AND (SELECT count(*) FROM fence) >= 0
  ORDER BY id
  FOR KEY SHARE
), fed AS (
  SELECT e.ordinal,
         array_agg((b.id, p.season, p.sort, p.operator, p.ends_at, p.late) ORDER BY b.id) FILTER (WHERE p.skipped IS NULL) AS targets,
         jsonb_object_agg(b.id, p.season) FILTER (WHERE p.skipped IS NULL) AS boards,
         jsonb_object_agg(b.id, p.skipped) FILTER (WHERE p.skipped IS NOT NULL) AS skipped,
         -- The weightiest: unturned, other-season, frozen, closed.
         max(p.skipped) AS obstacle,
         bool_or(p.skipped IS NULL AND p.operator = 'best') AS best
  FROM submission e JOIN feed f ON f.action_id = e.action_id JOIN board b ON b.id = f.leaderboard_id,
  LATERAL (${place}) p
  GROUP BY e.ordinal
), judged AS MATERIALIZED (
  SELECT s.*, p.hidden, f.targets, f.boards, f.skipped, f.best,
         -- Somebody may have locked it. A subquery of one value is never answered by reading all users.
         CASE WHEN p.id IS NULL
              THEN coalesce((SELECT 'locked' FROM users u WHERE u.id = s.user_id AND u.erased_at IS NULL), 'no-user')
              WHEN p.banned THEN 'banned'
              WHEN f.ordinal IS NULL THEN 'no-action'
              WHEN f.obstacle IN ('unturned', 'other-season') OR f.boards IS NULL THEN f.obstacle
              WHEN NOT f.boards @> s.expected THEN 'season-changed' END AS refused
  FROM submission s LEFT JOIN player p ON p.id = s.user_id LEFT JOIN fed f ON f.ordinal = s.ordinal
), consumed AS (
  INSERT INTO consumed_tokens (token_id, event_id, expires_at)
  SELECT token_id, event_id, expires_at FROM judged WHERE refused IS NULL
  ORDER BY token_id, ordinal
  ON CONFLICT (token_id) DO NOTHING
  RETURNING event_id
), accepted AS MATERIALIZED (
  SELECT j.* FROM judged j JOIN consumed c ON c.event_id = j.event_id
), recorded AS (
  INSERT INTO score_events (id, user_id, action_id, token_id, points, metadata, accepted_at, status, boards, skipped,
                            best, issued_by, signing_key)
  SELECT event_id, user_id, action_id, token_id, points, metadata::json, accepted_at,
         CASE WHEN held THEN 'held' ELSE 'counted' END, boards, skipped, best, issued_by, signing_key
  FROM accepted
), ${steps}
), changed AS (
  UPDATE scores s
  SET (score, sort_key, achieved_at, withheld_score, withheld_at, version) = ROW (${SHOWN}, f.version)
  FROM final f
  WHERE f.exists AND s.leaderboard_id = f.leaderboard_id AND s.season = f.season AND s.user_id = f.user_id
), created AS (
  INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, withheld_score, withheld_at, version)
  SELECT leaderboard_id, season, user_id, ${SHOWN}, version FROM final f WHERE NOT exists
), announced AS (
  SELECT pg_notify('${CHANGES_CHANNEL}', json_build_object(
           'type', 'scores', 'id', $13::text, 'writer', $9::text, 'board', leaderboard_id || ':' || season,
           'entries', json_agg(json_build_array(
             user_id, score, ${milliseconds('achieved_at')}::bigint, version)))::text)
  FROM (SELECT *, (row_number() OVER (PARTITION BY leaderboard_id, season) - 1) / ${ITEMS_PER_NOTIFICATION} AS part
        FROM final WHERE NOT hidden) f
  GROUP BY leaderboard_id, season, part
)
SELECT j.ordinal::int - 1 AS index, j.refused, ${milliseconds('a.accepted_at')} AS "acceptedAt", j.held,
       CASE WHEN a.ordinal IS NOT NULL OR j.refused = 'unturned' THEN j.skipped END AS skipped,
       t.leaderboard_id AS leaderboard, t.season, t.score, t.previous_score AS "previousScore",
       ${milliseconds('t.achieved_at')} AS "achievedAt",
       ${milliseconds('t.previous_achieved_at')} AS "previousAchievedAt", t.version, t.hidden, t.late,
       ${finiteMilliseconds('t.ends_at')} AS "endsAt"
FROM judged j
LEFT JOIN accepted a ON a.ordinal = j.ordinal
LEFT JOIN step t ON t.ordinal = j.ordinal
WHERE (SELECT count(*) FROM announced) >= 0
ORDER BY j.ordinal, t.leaderboard_id`;

export const RECORD_BATCH = recordBatchSql(PLACE_IN_ROW, STEPS);
/** For batches in which no user comes twice. */
export const RECORD_USERS = recordBatchSql(PLACE_IN_ROW, ONE_STEP_EACH);
/** For batches with submissions of other seasons than those of the rows of their boards. */
export const RECORD_SEASONS = recordBatchSql(PLACE, STEPS);
