-- What is left of a user's events when some are voided is found by these, however many there are: the last one that counts,
-- and the best one.
CREATE INDEX score_events_time_idx ON score_events (user_id, accepted_at, id) WHERE status = 'counted';
CREATE INDEX score_events_points_idx ON score_events (user_id, points, accepted_at) WHERE status = 'counted';
