-- One row an entry. sort_key is the score as it sorts ascending (negated where higher is better), so that one index
-- serves boards of both directions. version counts the events of the row: a projection takes a change only if it is newer.
CREATE TABLE scores (
  leaderboard_id text COLLATE "C" NOT NULL,
  season         integer NOT NULL,
  user_id        text COLLATE "C" NOT NULL REFERENCES users,
  score          bigint NOT NULL CHECK (score BETWEEN -9007199254740991 AND 9007199254740991),
  sort_key       bigint NOT NULL,
  achieved_at    timestamptz(3) NOT NULL,
  version        bigint NOT NULL,
  PRIMARY KEY (leaderboard_id, season, user_id)
);

-- Partial, though its condition always holds, so that only queries which repeat the condition can use it. As long as the
-- table has no statistics, the planner would else take it in place of the primary key, and read the whole board for an entry.
CREATE INDEX scores_ranking_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id) WHERE version > 0;
