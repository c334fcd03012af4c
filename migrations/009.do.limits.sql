-- Optional limits, for one user each: null is none. A day is one of UTC.
ALTER TABLE actions
  ADD cooldown_ms integer CHECK (cooldown_ms > 0),
  ADD daily_limit integer CHECK (daily_limit > 0);
ALTER TABLE leaderboards ADD max_points_per_minute bigint CHECK (max_points_per_minute > 0);
