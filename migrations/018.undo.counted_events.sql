DROP INDEX score_events_points_idx;
DROP INDEX score_events_time_idx;
