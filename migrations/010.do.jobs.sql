-- For graphile-worker, whose own migrations make the tables in it after ours.
CREATE SCHEMA scoreboard_jobs;
