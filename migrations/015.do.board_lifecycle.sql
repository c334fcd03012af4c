-- frozen_at: since when the board takes no scores. hidden: not in the list of boards. removed_at: deleted; the row stays, so
-- that a board of the same name goes on with the next season. Seasons up to removed_through are deleted: their events count
-- no more. The rows of those up to purged_through are gone, the others leave in bites.
--
-- In the order in which scores take these tables: they would else wait for this, and this for them.
LOCK TABLE leaderboards, score_events, scores IN ACCESS EXCLUSIVE MODE;
ALTER TABLE leaderboards
  ADD frozen_at       timestamptz(3),
  ADD hidden          boolean NOT NULL DEFAULT false,
  ADD removed_at      timestamptz(3),
  ADD removed_through integer NOT NULL DEFAULT 0,
  ADD purged_through  integer NOT NULL DEFAULT 0;
CREATE INDEX leaderboards_listed_idx ON leaderboards (id) WHERE NOT hidden AND removed_at IS NULL;
CREATE INDEX leaderboards_unpurged_idx ON leaderboards (id) WHERE purged_through < removed_through;

-- skipped: the boards that took nothing of the event, and why, {"<leaderboard>": "frozen"}; null if there are none.
ALTER TABLE score_events ADD skipped jsonb;
UPDATE score_events SET boards = '{}' WHERE boards IS NULL;
ALTER TABLE score_events ALTER boards SET NOT NULL;

-- Finds the boards of a user to rename or erase. Partial, though its condition always holds, so that only queries which
-- repeat the condition can use it: the planner would else take it in place of the primary key, and read all entries of a user.
CREATE INDEX scores_user_idx ON scores (user_id) WHERE version > 0;
