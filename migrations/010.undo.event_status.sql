DROP INDEX score_events_held_idx;
ALTER TABLE score_events DROP signing_key, DROP issued_by, DROP boards, DROP status;
