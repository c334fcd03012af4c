-- The ledger: append-only, and the only table that grows for ever. Its id begins with the time, so it can be
-- partitioned by ranges of id. No foreign keys: the one statement that writes here holds the user's row.
-- metadata is json, not jsonb: it is kept as it came, \u0000 and all.
CREATE TABLE score_events (
  id          text COLLATE "C" PRIMARY KEY,
  user_id     text COLLATE "C" NOT NULL,
  action_id   text COLLATE "C" NOT NULL,
  token_id    text COLLATE "C" NOT NULL,
  points      bigint NOT NULL,
  metadata    json,
  accepted_at timestamptz(3) NOT NULL
);

CREATE INDEX score_events_user_idx ON score_events (user_id, id DESC);
