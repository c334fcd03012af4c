ALTER TABLE leaderboards DROP max_points_per_minute;
ALTER TABLE actions DROP daily_limit, DROP cooldown_ms;
