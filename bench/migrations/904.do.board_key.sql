-- A foreign key of a large table.

-- step
ALTER TABLE scores ADD CONSTRAINT scores_board_fkey FOREIGN KEY (leaderboard_id) REFERENCES leaderboards NOT VALID;

-- step
ALTER TABLE scores VALIDATE CONSTRAINT scores_board_fkey;
