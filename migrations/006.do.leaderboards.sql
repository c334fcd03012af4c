-- titles: in other languages, by their BCP 47 tags. unit: how scores are written; null is plain numbers.
-- max_points_per_minute: for one user; null is none.
-- frozen_at: since when the board takes no scores. hidden: not in the list of boards. removed_at: deleted; the row stays, so
-- that a board of the same name goes on with the next season. Seasons up to removed_through are deleted: their events count
-- no more. The rows of those up to purged_through are gone, the others leave in bites.

-- step
CREATE TABLE leaderboards (
  id                    text COLLATE "C" PRIMARY KEY,
  title                 text NOT NULL,
  sort                  text NOT NULL CHECK (sort IN ('desc', 'asc')),
  operator              text NOT NULL CHECK (operator IN ('increment', 'best', 'latest')),
  season                integer NOT NULL DEFAULT 1,
  created_at            timestamptz(3) NOT NULL DEFAULT now(),
  max_points_per_minute bigint CHECK (max_points_per_minute > 0),
  frozen_at             timestamptz(3),
  hidden                boolean NOT NULL DEFAULT false,
  removed_at            timestamptz(3),
  removed_through       integer NOT NULL DEFAULT 0,
  purged_through        integer NOT NULL DEFAULT 0,
  titles                jsonb,
  unit                  jsonb
);

CREATE INDEX leaderboards_listed_idx ON leaderboards (id) WHERE NOT hidden AND removed_at IS NULL;
CREATE INDEX leaderboards_unpurged_idx ON leaderboards (id) WHERE purged_through < removed_through;

INSERT INTO leaderboards (id, title, sort, operator) VALUES ('global', 'Global', 'desc', 'increment');

ALTER TABLE scores ADD CONSTRAINT scores_leaderboard_id_fkey FOREIGN KEY (leaderboard_id) REFERENCES leaderboards NOT VALID;

-- step
ALTER TABLE scores VALIDATE CONSTRAINT scores_leaderboard_id_fkey;
