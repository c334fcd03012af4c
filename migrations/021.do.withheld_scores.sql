-- The entry of a banned user leaves its row, without a score, and comes back as it was: withheld_score is the score that the
-- ledger gives it, reached at withheld_at. Corrections keep it right meanwhile.
ALTER TABLE scores
  ADD withheld_score bigint,
  ADD withheld_at    timestamptz(3),
  ADD CONSTRAINT scores_withheld_score_check CHECK (withheld_score BETWEEN -9007199254740991 AND 9007199254740991) NOT VALID,
  ADD CONSTRAINT scores_withheld_check CHECK ((withheld_score IS NULL) = (withheld_at IS NULL)) NOT VALID;

UPDATE scores s
SET score = NULL, sort_key = NULL, achieved_at = now(), withheld_score = s.score, withheld_at = s.achieved_at,
    version = s.version + 1
FROM users u
WHERE u.id = s.user_id AND u.banned_at IS NOT NULL AND s.score IS NOT NULL AND s.version > 0;

-- Every instance knows who is banned.
CREATE INDEX users_banned_idx ON users (id) WHERE banned_at IS NOT NULL;
