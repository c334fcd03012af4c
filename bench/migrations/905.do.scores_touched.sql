-- Rows of a large table that scores change at the same time.

-- step
ALTER TABLE scores ADD events bigint;

-- step: pages of scores (leaderboard_id, season, user_id)
UPDATE scores SET events = version WHERE :page AND events IS NULL;
