DROP SCHEMA scoreboard_jobs CASCADE;
