-- One row an entry. sort_key is the score as it sorts ascending (negated where higher is better), so that one index
-- serves boards of both directions. version counts the events of the row: a projection takes a change only if it is newer.
--
-- An entry whose events were all voided leaves its row, without a score: its version goes on, so that no late report of an
-- older score is taken for news. The entry of a banned user leaves its row, without a score, and comes back as it was:
-- withheld_score is the score that the ledger gives it, reached at withheld_at. Corrections keep it right meanwhile.
CREATE TABLE scores (
  leaderboard_id text COLLATE "C" NOT NULL,
  season         integer NOT NULL,
  user_id        uuid NOT NULL REFERENCES users,
  score          bigint CHECK (score BETWEEN -9007199254740991 AND 9007199254740991),
  sort_key       bigint,
  achieved_at    timestamptz(3) NOT NULL,
  version        bigint NOT NULL,
  withheld_score bigint,
  withheld_at    timestamptz(3),
  PRIMARY KEY (leaderboard_id, season, user_id),
  CHECK ((score IS NULL) = (sort_key IS NULL)),
  CONSTRAINT scores_withheld_score_check CHECK (withheld_score BETWEEN -9007199254740991 AND 9007199254740991),
  CONSTRAINT scores_withheld_check CHECK ((withheld_score IS NULL) = (withheld_at IS NULL))
);

-- Whoever builds a board reads it in its order and finds all that it needs in the index: to look up a row for each entry, in no
-- order of the table, would take four times as long. Those who have left the board have an index of their own.
CREATE INDEX scores_ranking_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id) INCLUDE (version)
  WHERE score IS NOT NULL;
CREATE INDEX scores_removed_idx ON scores (leaderboard_id, season, user_id) WHERE score IS NULL;
-- Finds the boards of a user to rename or erase. Partial, though its condition always holds, so that only queries which
-- repeat the condition can use it: the planner would else take it in place of the primary key, and read all entries of a user.
CREATE INDEX scores_user_idx ON scores (user_id) WHERE version > 0;
