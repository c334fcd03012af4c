-- boards: what the event counts for, {"<leaderboard>": <season>}, whatever its action feeds later. It is null where an
-- instance of the version before has written the event: then it is what its action feeds.
-- issued_by: who asked the service for the token, a service account or 'player'; null if it was minted elsewhere.
-- signing_key: which secret the token was signed with, by its fingerprint.
ALTER TABLE score_events
  ADD status      text NOT NULL DEFAULT 'counted' CHECK (status IN ('counted', 'held', 'voided')),
  ADD boards      jsonb,
  ADD issued_by   text COLLATE "C",
  ADD signing_key text COLLATE "C";

UPDATE score_events e SET boards = (
  SELECT jsonb_object_agg(l.id, l.season)
  FROM action_leaderboards al JOIN leaderboards l ON l.id = al.leaderboard_id
  WHERE al.action_id = e.action_id);

CREATE INDEX score_events_held_idx ON score_events (id) WHERE status = 'held';
