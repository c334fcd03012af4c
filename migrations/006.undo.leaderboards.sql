ALTER TABLE scores DROP CONSTRAINT scores_leaderboard_id_fkey;
DROP TABLE leaderboards;
