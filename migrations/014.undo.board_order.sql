LOCK TABLE scores IN ACCESS EXCLUSIVE MODE;
DROP INDEX scores_removed_idx;
CREATE INDEX scores_order_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id) WHERE score IS NOT NULL;
DROP INDEX scores_ranking_idx;
ALTER INDEX scores_order_idx RENAME TO scores_ranking_idx;
