-- What the events that are archived, and dropped, still count for: one row a user and board. increment: the sum, and when it last
-- changed; best: the best points, and when they were first reached; latest: the last points, and since when. action_id, metadata: of the event then, if its
-- action makes metadata public.
CREATE TABLE archived_standings (
  leaderboard_id text COLLATE "C" NOT NULL,
  season         integer NOT NULL,
  user_id        uuid NOT NULL,
  points         numeric NOT NULL,
  achieved_at    timestamptz(3) NOT NULL,
  action_id      text COLLATE "C",
  metadata       json,
  PRIMARY KEY (leaderboard_id, season, user_id)
);

CREATE INDEX archived_standings_user_idx ON archived_standings (user_id);

-- How far the archive has come, in one row. Events before closed_before have their status for good. Those before carried_before are
-- in archived_standings, so they count there and no more by themselves, whether they are dropped already or not.
CREATE TABLE archive_progress (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  closed_before  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  carried_before uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);

INSERT INTO archive_progress DEFAULT VALUES;
