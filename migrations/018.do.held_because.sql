-- held_because: which limit an event has exceeded, and what was usual for its user and action then; null if it was not held, or was
-- before this column.
ALTER TABLE score_events ADD held_because jsonb;
