ALTER TABLE score_events DROP feeds;
