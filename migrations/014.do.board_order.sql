-- Whoever builds a board reads it in its order and finds all that it needs in the index: to look up a row for each entry, in no
-- order of the table, would take four times as long. Those who have left the board have an index of their own.
--
-- The strongest lock first: scores that are being written would else wait for this, and this for them.
LOCK TABLE scores IN ACCESS EXCLUSIVE MODE;
CREATE INDEX scores_order_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id) INCLUDE (version)
  WHERE score IS NOT NULL;
DROP INDEX scores_ranking_idx;
ALTER INDEX scores_order_idx RENAME TO scores_ranking_idx;
CREATE INDEX scores_removed_idx ON scores (leaderboard_id, season, user_id) WHERE score IS NULL;
