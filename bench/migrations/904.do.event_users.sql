-- A foreign key of a large table.

-- step
ALTER TABLE score_events ADD CONSTRAINT score_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;

-- step
ALTER TABLE score_events VALIDATE CONSTRAINT score_events_user_id_fkey;
