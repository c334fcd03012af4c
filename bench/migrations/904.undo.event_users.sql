ALTER TABLE score_events DROP CONSTRAINT score_events_user_id_fkey;
