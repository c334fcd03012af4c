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

CREATE INDEX scores_ranking_idx ON scores (leaderboard_id, season, sort_key, achieved_at, user_id);
