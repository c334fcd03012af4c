ALTER TABLE score_events DROP held_because;
