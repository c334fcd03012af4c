-- cooldown_ms, daily_limit: for one user; null is none. A day is one of UTC. public_metadata: keys of the metadata of its events that
-- boards show.
CREATE TABLE actions (
  id              text COLLATE "C" PRIMARY KEY,
  title           text NOT NULL,
  points_min      bigint NOT NULL,
  points_max      bigint NOT NULL,
  issuer          text NOT NULL CHECK (issuer IN ('player', 'server')),
  min_duration_ms integer NOT NULL CHECK (min_duration_ms >= 0),
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  cooldown_ms     integer CHECK (cooldown_ms > 0),
  daily_limit     integer CHECK (daily_limit > 0),
  public_metadata text[] NOT NULL DEFAULT '{}',
  CHECK (points_min <= points_max)
);

CREATE TABLE action_leaderboards (
  action_id      text COLLATE "C" NOT NULL REFERENCES actions,
  leaderboard_id text COLLATE "C" NOT NULL REFERENCES leaderboards,
  PRIMARY KEY (action_id, leaderboard_id)
);
