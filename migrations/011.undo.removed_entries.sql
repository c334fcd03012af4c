DROP INDEX scores_ranking_idx;
DELETE FROM scores WHERE score IS NULL;
ALTER TABLE scores
  DROP CONSTRAINT scores_check,
  ALTER sort_key SET NOT NULL,
  ALTER score SET NOT NULL;
CREATE INDEX scores_ranking_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id) WHERE version > 0;
