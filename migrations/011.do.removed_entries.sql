-- An entry whose events were all voided leaves its row, without a score: its version goes on, so that no late report of an
-- older score is taken for news.
ALTER TABLE scores
  ALTER score DROP NOT NULL,
  ALTER sort_key DROP NOT NULL,
  ADD CHECK ((score IS NULL) = (sort_key IS NULL));

DROP INDEX scores_ranking_idx;
CREATE INDEX scores_ranking_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id)
  WHERE score IS NOT NULL;
