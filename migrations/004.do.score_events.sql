-- The ledger: append-only, and the only table that grows for ever. Its id begins with the time, so it can be
-- partitioned by ranges of id. No foreign keys: the one statement that writes here holds the user's row.
--
-- metadata is json, not jsonb: it is kept as it came.
-- boards: what the event counts for, {"<leaderboard>": <season>}, whatever its action feeds later.
-- issued_by: who asked the service for the token, a service account or 'player'; null if it was minted elsewhere.
-- signing_key: which secret the token was signed with, by its fingerprint.
-- skipped: the boards that took nothing of the event, and why, {"<leaderboard>": "frozen"}; null if there are none.
CREATE TABLE score_events (
  id          text COLLATE "C" PRIMARY KEY,
  user_id     text COLLATE "C" NOT NULL,
  action_id   text COLLATE "C" NOT NULL,
  token_id    text COLLATE "C" NOT NULL,
  points      bigint NOT NULL,
  metadata    json,
  accepted_at timestamptz(3) NOT NULL,
  status      text NOT NULL DEFAULT 'counted' CHECK (status IN ('counted', 'held', 'voided')),
  boards      jsonb NOT NULL,
  issued_by   text COLLATE "C",
  signing_key text COLLATE "C",
  skipped     jsonb
);

CREATE INDEX score_events_user_idx ON score_events (user_id, id DESC);
CREATE INDEX score_events_held_idx ON score_events (id) WHERE status = 'held';
-- What is left of a user's events when some are voided is found by these, however many there are: the last one that counts,
-- and the best one.
CREATE INDEX score_events_time_idx ON score_events (user_id, accepted_at, id) WHERE status = 'counted';
CREATE INDEX score_events_points_idx ON score_events (user_id, points, accepted_at) WHERE status = 'counted';
