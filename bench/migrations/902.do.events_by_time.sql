-- An index of a large table in partitions.

-- step: partitions of score_events
CREATE INDEX CONCURRENTLY :partition_accepted_idx ON :partition (accepted_at);

-- step
-- Takes over those of the partitions, and builds nothing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX score_events_accepted_idx ON score_events (accepted_at);
