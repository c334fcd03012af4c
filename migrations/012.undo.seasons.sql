DROP TRIGGER leaderboards_seasons ON leaderboards;
DROP FUNCTION keep_seasons_of_leaderboard();
DROP TABLE season_marks;
DROP TABLE seasons;
DROP INDEX leaderboards_turning_idx;
ALTER TABLE leaderboards
  DROP schedule, DROP season_starts_at, DROP season_ends_at, DROP next_starts_at, DROP next_ends_at, DROP closed_through,
  DROP late_tokens, DROP grace_ms, DROP keep_seasons, DROP revision;
