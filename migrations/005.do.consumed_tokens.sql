-- The gate: a token counts because its row could be inserted. Rows are purged some time after the token has expired;
-- they arrive in order of time, so a BRIN index finds the old ones at next to no cost.
CREATE TABLE consumed_tokens (
  token_id    text COLLATE "C" PRIMARY KEY,
  event_id    text COLLATE "C" NOT NULL,
  user_id     text COLLATE "C" NOT NULL,
  accepted_at timestamptz(3) NOT NULL,
  expires_at  timestamptz(3) NOT NULL
);

CREATE INDEX consumed_tokens_expires_idx ON consumed_tokens USING brin (expires_at);
