-- step
DROP INDEX CONCURRENTLY IF EXISTS score_events_accepted_idx;
