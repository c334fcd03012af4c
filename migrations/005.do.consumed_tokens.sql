-- The gate: a token counts because its row could be inserted. The time in a token's id decides its partition, a day (ADR 34), so
-- a token always comes to the same one, and is unique in all. A partition is dropped some time after its tokens have expired;
-- what is in the default one is deleted, and a BRIN index finds the old rows at next to no cost.
CREATE TABLE consumed_tokens (
  token_id   uuid PRIMARY KEY,
  event_id   uuid NOT NULL,
  expires_at timestamptz(3) NOT NULL
) PARTITION BY RANGE (token_id);

-- Tokens of any other time: game servers make ids of their own.
CREATE TABLE consumed_tokens_default PARTITION OF consumed_tokens DEFAULT;

-- What game servers have counted by a key of their own: kept as long as the event (src/scoring/idempotency-key.ts).
CREATE TABLE consumed_tokens_keys PARTITION OF consumed_tokens
  FOR VALUES FROM ('ff000000-0000-0000-0000-000000000000') TO (MAXVALUE);

CREATE INDEX consumed_tokens_expires_idx ON consumed_tokens USING brin (expires_at) WITH (autosummarize = on);
-- Tokens of strangers whose ids are among those of keys, which do not expire: few, so they are not looked for among all.
CREATE INDEX consumed_tokens_keys_expires_idx ON consumed_tokens_keys (expires_at) WHERE expires_at < 'infinity';
