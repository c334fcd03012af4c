-- PostgreSQL drops no index of a table in partitions CONCURRENTLY; this waits for statements under way, and no longer than 0.2 s.
DROP INDEX score_events_accepted_idx;
