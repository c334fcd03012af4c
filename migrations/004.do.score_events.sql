-- The ledger: append-only, and the only table that grows for ever. Its id begins with the time, and each month is a partition
-- (ADR 34). No foreign keys: the one statement that writes here holds the user's row.
--
-- issued_by: who asked the service for the token, a service account or, if it is user_id, the player; null if it was minted
-- elsewhere.
-- best: whether it counted for a board whose operator is best, when it began to count.
-- signing_key: which secret the token was signed with, by its fingerprint.
-- boards: what the event counts for, {"<leaderboard>": <season>}, whatever its action feeds later.
-- skipped: the boards that took nothing of the event, and why, {"<leaderboard>": "frozen"}; null if there are none.
-- hold_ended_by, voided_by: the lines in the audit by which a held event was released or voided, and by which an event was voided.
-- metadata is json, not jsonb: it is kept as it came.
CREATE TABLE score_events (
  id            uuid PRIMARY KEY,
  user_id       uuid NOT NULL,
  token_id      uuid NOT NULL,
  issued_by     uuid,
  points        bigint NOT NULL,
  accepted_at   timestamptz(3) NOT NULL,
  best          boolean NOT NULL DEFAULT false,
  status        text NOT NULL DEFAULT 'counted' CHECK (status IN ('counted', 'held', 'voided')),
  action_id     text COLLATE "C" NOT NULL,
  signing_key   text COLLATE "C",
  boards        jsonb NOT NULL,
  skipped       jsonb,
  metadata      json,
  hold_ended_by uuid,
  voided_by     uuid
) PARTITION BY RANGE (id);

-- What no other partition is for: a score never fails because a month has none.
CREATE TABLE score_events_default PARTITION OF score_events DEFAULT;

-- An event is in one of these two, so that it costs one. What counts is apart, because what is left of a user's events when
-- many are voided must be found without reading the voided ones; see OF_ANY_STATUS in src/ledger/statements.ts.
CREATE INDEX score_events_counted_idx ON score_events (user_id, accepted_at, id) WHERE status = 'counted';
CREATE INDEX score_events_uncounted_idx ON score_events (user_id, accepted_at, id) WHERE status <> 'counted';
-- What is held or voided, for administrators. A score that counts costs nothing here.
CREATE INDEX score_events_status_idx ON score_events (status, id) WHERE status <> 'counted';
-- Finds the best event that is left.
CREATE INDEX score_events_best_idx ON score_events (user_id, points, accepted_at) WHERE status = 'counted' AND best;
-- Where in the table events of an action, a key or an issuer can be, for administrators' searches (src/moderation/event-search.ts). It
-- has a line for each megabyte of the table, so a score costs next to nothing. That of a player's own token is the nil uuid: each
-- player would else be an issuer.
CREATE INDEX score_events_search_idx ON score_events USING brin (
  id,
  action_id text_bloom_ops (n_distinct_per_range = 128),
  signing_key text_bloom_ops (n_distinct_per_range = 16),
  (CASE WHEN issued_by = user_id THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE issued_by END)
    uuid_bloom_ops (n_distinct_per_range = 32)
) WITH (autosummarize = on);
