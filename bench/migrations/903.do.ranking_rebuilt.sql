-- An index of a large table in place of another, under its name.

-- step
CREATE INDEX CONCURRENTLY scores_order_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id)
  INCLUDE (version, score) WHERE score IS NOT NULL;

-- step
ALTER INDEX scores_ranking_idx RENAME TO scores_replaced_idx;
ALTER INDEX scores_order_idx RENAME TO scores_ranking_idx;

-- step
DROP INDEX CONCURRENTLY IF EXISTS scores_replaced_idx;
