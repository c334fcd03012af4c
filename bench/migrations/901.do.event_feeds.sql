-- A column of a large table that every row has: of how many boards an event is part.

-- step
-- Rows that are there stay as they are; those to come, also of the version before, have the default.
ALTER TABLE score_events ADD feeds integer;
ALTER TABLE score_events ALTER feeds SET DEFAULT 1;

-- step: pages of score_events (id)
UPDATE score_events SET feeds = (SELECT count(*) FROM jsonb_object_keys(boards)) WHERE :page AND feeds IS NULL;

-- step
ALTER TABLE score_events ADD CONSTRAINT score_events_feeds_check CHECK (feeds IS NOT NULL) NOT VALID;

-- step
ALTER TABLE score_events VALIDATE CONSTRAINT score_events_feeds_check;

-- step
-- The constraint proves it: the rows are not read again.
-- squawk-ignore adding-not-nullable-field
ALTER TABLE score_events ALTER feeds SET NOT NULL;
ALTER TABLE score_events DROP CONSTRAINT score_events_feeds_check;
