-- An index of a large table.

-- step
CREATE INDEX CONCURRENTLY score_events_accepted_idx ON score_events (accepted_at);
