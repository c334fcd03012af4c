-- The season of an event is a function of its time and of the board's row: season is in force from season_starts_at until before
-- season_ends_at, the next one from next_starts_at until before next_ends_at, and in between the board is closed. So two boundaries
-- ahead are always known, and it does not matter when somebody turns the page: makes the next season the one of the row.
--
-- schedule: null ends by hand only. closed_through: no season that ended by then takes anything more. late_tokens: in which season a
-- token counts that was issued in the one before: that of its arrival, that of its issue, or none. grace_ms: how long after an end such a token is taken.
-- Both are those of the oldest season that is not closed. keep_seasons: how many that are over are kept; null is all. revision: counts the
-- changes that somebody has made, not the seasons that begin.

-- step
ALTER TABLE leaderboards
  ADD schedule         jsonb,
  ADD season_starts_at timestamptz(3) NOT NULL DEFAULT '-infinity',
  ADD season_ends_at   timestamptz(3) NOT NULL DEFAULT 'infinity',
  ADD next_starts_at   timestamptz(3) NOT NULL DEFAULT 'infinity',
  ADD next_ends_at     timestamptz(3) NOT NULL DEFAULT 'infinity',
  ADD closed_through   timestamptz(3) NOT NULL DEFAULT '-infinity',
  ADD late_tokens      text NOT NULL DEFAULT 'arrival',
  ADD grace_ms         integer NOT NULL DEFAULT 0,
  ADD keep_seasons     integer,
  ADD revision         bigint NOT NULL DEFAULT 1,
  ADD CONSTRAINT leaderboards_seasons_check CHECK (
    season_starts_at < season_ends_at AND season_ends_at <= next_starts_at
    AND (next_starts_at < next_ends_at OR next_starts_at = 'infinity')) NOT VALID,
  ADD CONSTRAINT leaderboards_late_tokens_check CHECK (late_tokens IN ('arrival', 'issued', 'refuse')) NOT VALID,
  ADD CONSTRAINT leaderboards_grace_ms_check CHECK (grace_ms >= 0) NOT VALID,
  ADD CONSTRAINT leaderboards_keep_seasons_check CHECK (keep_seasons > 0) NOT VALID;

-- One row a season: those that are over, the one in force, and the next one as soon as its start is known.
--
-- rules: sort, operator and unit of the season; lateTokens and graceMs, if they were changed before it. state: open also before it starts; closing since it has ended; final once nothing
-- changes its standings any more. entries, digest: of the final standings. cursor: how far closing has come. revision: how often the
-- final standings were corrected. is_skipped: it came and went without a score while the service was down. purged_at: its entries are
-- deleted.
CREATE TABLE seasons (
  leaderboard_id text COLLATE "C" NOT NULL REFERENCES leaderboards,
  season         integer NOT NULL,
  starts_at      timestamptz(3) NOT NULL,
  ends_at        timestamptz(3) NOT NULL,
  label          text,
  rules          jsonb NOT NULL,
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closing', 'final')),
  entries        bigint,
  closed_at      timestamptz(3),
  final_at       timestamptz(3),
  cursor         jsonb,
  digest         text,
  revision       integer NOT NULL DEFAULT 1,
  is_skipped     boolean NOT NULL DEFAULT false,
  purged_at      timestamptz(3),
  PRIMARY KEY (leaderboard_id, season),
  CHECK (starts_at < ends_at)
);

-- Find what is due.
CREATE INDEX seasons_open_idx ON seasons (ends_at) WHERE state = 'open' AND ends_at < 'infinity';
CREATE INDEX seasons_closing_idx ON seasons (ends_at) WHERE state = 'closing';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX leaderboards_turning_idx ON leaderboards (next_starts_at) WHERE next_starts_at < 'infinity';

-- Every 1,000th entry of a final season, so that a page or a rank in the middle is near one.
CREATE TABLE season_marks (
  leaderboard_id text COLLATE "C" NOT NULL,
  season         integer NOT NULL,
  rank           bigint NOT NULL,
  sort_key       bigint NOT NULL,
  achieved_at    timestamptz(3) NOT NULL,
  user_id        uuid NOT NULL,
  PRIMARY KEY (leaderboard_id, season, rank)
);

CREATE INDEX season_marks_ranking_idx ON season_marks (leaderboard_id, season, sort_key, achieved_at, user_id);

-- Every season has its row, also if a version that knows no seasons has made the leaderboard.
CREATE FUNCTION keep_seasons_of_leaderboard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  in_force jsonb = jsonb_build_object('sort', NEW.sort, 'operator', NEW.operator, 'unit', NEW.unit);
BEGIN
  INSERT INTO seasons AS s (leaderboard_id, season, starts_at, ends_at, rules)
  VALUES (NEW.id, NEW.season, NEW.season_starts_at, NEW.season_ends_at, jsonb_strip_nulls(in_force))
  ON CONFLICT (leaderboard_id, season) DO UPDATE
  SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, rules = jsonb_strip_nulls(s.rules || in_force) WHERE s.state = 'open';
  -- What is known of the next season stays, but for the unit: its other rules may have changed already.
  IF NEW.next_starts_at < 'infinity' THEN
    INSERT INTO seasons AS s (leaderboard_id, season, starts_at, ends_at, rules)
    VALUES (NEW.id, NEW.season + 1, NEW.next_starts_at, NEW.next_ends_at, jsonb_strip_nulls(in_force))
    ON CONFLICT (leaderboard_id, season) DO UPDATE
    SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
        rules = jsonb_strip_nulls(s.rules || jsonb_build_object('unit', NEW.unit));
  ELSE DELETE FROM seasons WHERE leaderboard_id = NEW.id AND season > NEW.season;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER leaderboards_seasons
  AFTER INSERT OR UPDATE OF season, season_starts_at, season_ends_at, next_starts_at, next_ends_at, sort, operator, unit
  ON leaderboards FOR EACH ROW EXECUTE FUNCTION keep_seasons_of_leaderboard();

-- step: pages of leaderboards (id)
-- The trigger makes the row of the season.
UPDATE leaderboards SET season = season WHERE :page;

-- step
ALTER TABLE leaderboards
  VALIDATE CONSTRAINT leaderboards_seasons_check, VALIDATE CONSTRAINT leaderboards_late_tokens_check,
  VALIDATE CONSTRAINT leaderboards_grace_ms_check, VALIDATE CONSTRAINT leaderboards_keep_seasons_check;
