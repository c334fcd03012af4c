-- The schema after all migrations. Made by "npm run docs"; changes belong in migrations/.

CREATE TABLE action_leaderboards (
  action_id text COLLATE "C" NOT NULL,
  leaderboard_id text COLLATE "C" NOT NULL,
  CONSTRAINT action_leaderboards_pkey PRIMARY KEY (action_id, leaderboard_id),
  CONSTRAINT action_leaderboards_action_id_fkey FOREIGN KEY (action_id) REFERENCES actions(id),
  CONSTRAINT action_leaderboards_leaderboard_id_fkey FOREIGN KEY (leaderboard_id) REFERENCES leaderboards(id)
);

CREATE TABLE actions (
  id text COLLATE "C" NOT NULL,
  title text NOT NULL,
  points_min bigint NOT NULL,
  points_max bigint NOT NULL,
  issuer text NOT NULL,
  min_duration_ms integer NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  cooldown_ms integer,
  daily_limit integer,
  public_metadata text[] NOT NULL DEFAULT '{}'::text[],
  max_robust_z real,
  CONSTRAINT actions_pkey PRIMARY KEY (id),
  CONSTRAINT actions_check CHECK ((points_min <= points_max)),
  CONSTRAINT actions_cooldown_ms_check CHECK ((cooldown_ms > 0)),
  CONSTRAINT actions_daily_limit_check CHECK ((daily_limit > 0)),
  CONSTRAINT actions_issuer_check CHECK ((issuer = ANY (ARRAY['player'::text, 'server'::text]))),
  CONSTRAINT actions_min_duration_ms_check CHECK ((min_duration_ms >= 0))
);

CREATE TABLE admin_acts (
  id uuid NOT NULL,
  filter json NOT NULL,
  state text NOT NULL DEFAULT 'running'::text,
  voided bigint NOT NULL DEFAULT 0,
  total bigint,
  behind_at timestamp(3) with time zone,
  behind uuid,
  problem text,
  undoes uuid,
  CONSTRAINT admin_acts_pkey PRIMARY KEY (id),
  CONSTRAINT admin_acts_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text]))),
  CONSTRAINT admin_acts_id_fkey FOREIGN KEY (id) REFERENCES admin_audit(id)
);

CREATE TABLE admin_audit (
  id uuid NOT NULL,
  at timestamp(3) with time zone NOT NULL DEFAULT now(),
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  reason text,
  details json NOT NULL,
  undoes uuid,
  CONSTRAINT admin_audit_pkey PRIMARY KEY (id)
);
CREATE INDEX admin_audit_action_idx ON admin_audit USING btree (action, id);
CREATE INDEX admin_audit_actor_idx ON admin_audit USING btree (actor, id);
CREATE INDEX admin_audit_target_idx ON admin_audit USING btree (target, id);
CREATE UNIQUE INDEX admin_audit_undoes_key ON admin_audit USING btree (undoes) WHERE (undoes IS NOT NULL);

CREATE TABLE administrator_sessions (
  secret_hash bytea NOT NULL,
  administrator_id uuid NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  used_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  expires_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT administrator_sessions_pkey PRIMARY KEY (secret_hash),
  CONSTRAINT administrator_sessions_administrator_id_fkey FOREIGN KEY (administrator_id) REFERENCES administrators(id)
);
CREATE INDEX administrator_sessions_administrator_idx ON administrator_sessions USING btree (administrator_id);
CREATE INDEX administrator_sessions_expires_idx ON administrator_sessions USING btree (expires_at);

CREATE TABLE administrators (
  id uuid NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  password_hash text NOT NULL,
  sealed bytea NOT NULL,
  sealed_by text NOT NULL,
  last_step bigint NOT NULL DEFAULT 0,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  disabled_at timestamp(3) with time zone,
  CONSTRAINT administrators_pkey PRIMARY KEY (id),
  CONSTRAINT administrators_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'moderator'::text])))
);
CREATE UNIQUE INDEX administrators_name_key ON administrators USING btree (lower((name COLLATE "C")));

CREATE TABLE archive_progress (
  only_row boolean NOT NULL DEFAULT true,
  closed_before uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
  carried_before uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
  CONSTRAINT archive_progress_pkey PRIMARY KEY (only_row),
  CONSTRAINT archive_progress_only_row_check CHECK (only_row)
);

CREATE TABLE archived_standings (
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  user_id uuid NOT NULL,
  points numeric NOT NULL,
  achieved_at timestamp(3) with time zone NOT NULL,
  action_id text COLLATE "C",
  metadata json,
  CONSTRAINT archived_standings_pkey PRIMARY KEY (leaderboard_id, season, user_id)
);
CREATE INDEX archived_standings_user_idx ON archived_standings USING btree (user_id);

CREATE TABLE consumed_tokens (
  token_id uuid NOT NULL,
  event_id uuid NOT NULL,
  expires_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT consumed_tokens_pkey PRIMARY KEY (token_id)
) PARTITION BY RANGE (token_id);
CREATE INDEX consumed_tokens_expires_idx ON consumed_tokens USING brin (expires_at) WITH (autosummarize='on');

CREATE TABLE import_rows (
  line bigint NOT NULL,
  row_key uuid NOT NULL,
  external_id text NOT NULL,
  display_name text,
  points bigint NOT NULL,
  achieved_at timestamp(3) with time zone NOT NULL,
  metadata json,
  CONSTRAINT import_rows_pkey PRIMARY KEY (line)
);

CREATE TABLE imports (
  id uuid NOT NULL,
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  dry_run boolean NOT NULL,
  state text NOT NULL DEFAULT 'receiving'::text,
  problem text,
  columns text[],
  begun_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  changed_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  ended_at timestamp(3) with time zone,
  received_bytes bigint NOT NULL DEFAULT 0,
  received_lines bigint NOT NULL DEFAULT 0,
  received_rows bigint NOT NULL DEFAULT 0,
  staged bigint NOT NULL DEFAULT 0,
  behind bigint NOT NULL DEFAULT 0,
  judged bigint NOT NULL DEFAULT 0,
  counted bigint NOT NULL DEFAULT 0,
  known bigint NOT NULL DEFAULT 0,
  faulty bigint NOT NULL DEFAULT 0,
  new_users bigint NOT NULL DEFAULT 0,
  faults json NOT NULL DEFAULT '[]'::json,
  CONSTRAINT imports_pkey PRIMARY KEY (id),
  CONSTRAINT imports_state_check CHECK ((state = ANY (ARRAY['receiving'::text, 'counting'::text, 'done'::text, 'failed'::text])))
);
CREATE INDEX imports_unended_idx ON imports USING btree (changed_at) WHERE (state = ANY (ARRAY['receiving'::text, 'counting'::text]));

CREATE TABLE leaderboards (
  id text COLLATE "C" NOT NULL,
  title text NOT NULL,
  sort text NOT NULL,
  operator text NOT NULL,
  season integer NOT NULL DEFAULT 1,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  max_points_per_minute bigint,
  frozen_at timestamp(3) with time zone,
  hidden boolean NOT NULL DEFAULT false,
  removed_at timestamp(3) with time zone,
  removed_through integer NOT NULL DEFAULT 0,
  purged_through integer NOT NULL DEFAULT 0,
  titles jsonb,
  unit jsonb,
  schedule jsonb,
  season_starts_at timestamp(3) with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  season_ends_at timestamp(3) with time zone NOT NULL DEFAULT 'infinity'::timestamp with time zone,
  next_starts_at timestamp(3) with time zone NOT NULL DEFAULT 'infinity'::timestamp with time zone,
  next_ends_at timestamp(3) with time zone NOT NULL DEFAULT 'infinity'::timestamp with time zone,
  closed_through timestamp(3) with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  late_tokens text NOT NULL DEFAULT 'arrival'::text,
  grace_ms integer NOT NULL DEFAULT 0,
  keep_seasons integer,
  revision bigint NOT NULL DEFAULT 1,
  CONSTRAINT leaderboards_pkey PRIMARY KEY (id),
  CONSTRAINT leaderboards_grace_ms_check CHECK ((grace_ms >= 0)),
  CONSTRAINT leaderboards_keep_seasons_check CHECK ((keep_seasons > 0)),
  CONSTRAINT leaderboards_late_tokens_check CHECK ((late_tokens = ANY (ARRAY['arrival'::text, 'issued'::text, 'refuse'::text]))),
  CONSTRAINT leaderboards_max_points_per_minute_check CHECK ((max_points_per_minute > 0)),
  CONSTRAINT leaderboards_operator_check CHECK ((operator = ANY (ARRAY['increment'::text, 'best'::text, 'latest'::text]))),
  CONSTRAINT leaderboards_seasons_check CHECK (((season_starts_at < season_ends_at) AND (season_ends_at <= next_starts_at) AND ((next_starts_at < next_ends_at) OR (next_starts_at = 'infinity'::timestamp with time zone)))),
  CONSTRAINT leaderboards_sort_check CHECK ((sort = ANY (ARRAY['desc'::text, 'asc'::text])))
);
CREATE INDEX leaderboards_listed_idx ON leaderboards USING btree (id) WHERE ((NOT hidden) AND (removed_at IS NULL));
CREATE INDEX leaderboards_turning_idx ON leaderboards USING btree (next_starts_at) WHERE (next_starts_at < 'infinity'::timestamp with time zone);
CREATE INDEX leaderboards_unpurged_idx ON leaderboards USING btree (id) WHERE (purged_through < removed_through);

CREATE TABLE published_leaders (
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  user_id uuid,
  published_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT published_leaders_pkey PRIMARY KEY (leaderboard_id)
);

CREATE TABLE recovery_codes (
  administrator_id uuid NOT NULL,
  code_hash bytea NOT NULL,
  used_at timestamp(3) with time zone,
  CONSTRAINT recovery_codes_pkey PRIMARY KEY (administrator_id, code_hash),
  CONSTRAINT recovery_codes_administrator_id_fkey FOREIGN KEY (administrator_id) REFERENCES administrators(id)
);

CREATE TABLE score_events (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_id uuid NOT NULL,
  issued_by uuid,
  points bigint NOT NULL,
  accepted_at timestamp(3) with time zone NOT NULL,
  best boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'counted'::text,
  action_id text COLLATE "C" NOT NULL,
  signing_key text COLLATE "C",
  boards jsonb NOT NULL,
  skipped jsonb,
  metadata json,
  hold_ended_by uuid,
  voided_by uuid,
  achieved_at timestamp(3) with time zone,
  imported_by uuid,
  held_because jsonb,
  CONSTRAINT score_events_pkey PRIMARY KEY (id),
  CONSTRAINT score_events_status_check CHECK ((status = ANY (ARRAY['counted'::text, 'held'::text, 'voided'::text])))
) PARTITION BY RANGE (id);
CREATE INDEX score_events_best_idx ON score_events USING btree (user_id, points, accepted_at) WHERE ((status = 'counted'::text) AND best);
CREATE INDEX score_events_counted_idx ON score_events USING btree (user_id, accepted_at, id) WHERE (status = 'counted'::text);
CREATE INDEX score_events_search_idx ON score_events USING brin (id, action_id text_bloom_ops (n_distinct_per_range='128'), signing_key text_bloom_ops (n_distinct_per_range='16'), (
CASE
    WHEN (issued_by = user_id) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE issued_by
END) uuid_bloom_ops (n_distinct_per_range='32')) WITH (autosummarize='on');
CREATE INDEX score_events_status_idx ON score_events USING btree (status, id) WHERE (status <> 'counted'::text);
CREATE INDEX score_events_uncounted_idx ON score_events USING btree (user_id, accepted_at, id) WHERE (status <> 'counted'::text);

CREATE TABLE scores (
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  user_id uuid NOT NULL,
  score bigint,
  sort_key bigint,
  achieved_at timestamp(3) with time zone NOT NULL,
  version bigint NOT NULL,
  withheld_score bigint,
  withheld_at timestamp(3) with time zone,
  CONSTRAINT scores_pkey PRIMARY KEY (leaderboard_id, season, user_id),
  CONSTRAINT scores_check CHECK (((score IS NULL) = (sort_key IS NULL))),
  CONSTRAINT scores_score_check CHECK (((score >= '-9007199254740991'::bigint) AND (score <= '9007199254740991'::bigint))),
  CONSTRAINT scores_withheld_check CHECK (((withheld_score IS NULL) = (withheld_at IS NULL))),
  CONSTRAINT scores_withheld_score_check CHECK (((withheld_score >= '-9007199254740991'::bigint) AND (withheld_score <= '9007199254740991'::bigint))),
  CONSTRAINT scores_leaderboard_id_fkey FOREIGN KEY (leaderboard_id) REFERENCES leaderboards(id),
  CONSTRAINT scores_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX scores_ranking_idx ON scores USING btree (leaderboard_id, season, sort_key, achieved_at, user_id) INCLUDE (version) WHERE (score IS NOT NULL);
CREATE INDEX scores_removed_idx ON scores USING btree (leaderboard_id, season, user_id) WHERE (score IS NULL);
CREATE INDEX scores_user_idx ON scores USING btree (user_id) WHERE (version > 0);

CREATE TABLE season_marks (
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  rank bigint NOT NULL,
  sort_key bigint NOT NULL,
  achieved_at timestamp(3) with time zone NOT NULL,
  user_id uuid NOT NULL,
  CONSTRAINT season_marks_pkey PRIMARY KEY (leaderboard_id, season, rank)
);
CREATE INDEX season_marks_ranking_idx ON season_marks USING btree (leaderboard_id, season, sort_key, achieved_at, user_id);

CREATE TABLE seasons (
  leaderboard_id text COLLATE "C" NOT NULL,
  season integer NOT NULL,
  starts_at timestamp(3) with time zone NOT NULL,
  ends_at timestamp(3) with time zone NOT NULL,
  label text,
  rules jsonb NOT NULL,
  state text NOT NULL DEFAULT 'open'::text,
  entries bigint,
  closed_at timestamp(3) with time zone,
  final_at timestamp(3) with time zone,
  cursor jsonb,
  digest text,
  revision integer NOT NULL DEFAULT 1,
  is_skipped boolean NOT NULL DEFAULT false,
  purged_at timestamp(3) with time zone,
  end_is_set boolean NOT NULL DEFAULT false,
  CONSTRAINT seasons_pkey PRIMARY KEY (leaderboard_id, season),
  CONSTRAINT seasons_check CHECK ((starts_at < ends_at)),
  CONSTRAINT seasons_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closing'::text, 'final'::text]))),
  CONSTRAINT seasons_leaderboard_id_fkey FOREIGN KEY (leaderboard_id) REFERENCES leaderboards(id)
);
CREATE INDEX seasons_closing_idx ON seasons USING btree (ends_at) WHERE (state = 'closing'::text);
CREATE INDEX seasons_open_idx ON seasons USING btree (ends_at) WHERE ((state = 'open'::text) AND (ends_at < 'infinity'::timestamp with time zone));

CREATE TABLE service_accounts (
  id uuid NOT NULL,
  name text NOT NULL,
  role text,
  secret_hash bytea NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  revoked_at timestamp(3) with time zone,
  scopes text[],
  previous_secret_hash bytea,
  previous_secret_until timestamp(3) with time zone,
  last_used_at timestamp(3) with time zone,
  CONSTRAINT service_accounts_pkey PRIMARY KEY (id),
  CONSTRAINT service_accounts_name_key UNIQUE (name),
  CONSTRAINT service_accounts_role_check CHECK ((role = ANY (ARRAY['server'::text, 'admin'::text])))
);

CREATE TABLE sessions (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  family_hash bytea NOT NULL,
  secret_hash bytea NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  refreshed_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  expires_at timestamp(3) with time zone NOT NULL,
  revoked_at timestamp(3) with time zone,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX sessions_expires_idx ON sessions USING btree (expires_at);
CREATE INDEX sessions_revoked_idx ON sessions USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);
CREATE INDEX sessions_user_idx ON sessions USING btree (user_id);

CREATE TABLE users (
  id uuid NOT NULL,
  display_name text NOT NULL,
  username text,
  password_hash text,
  external_id text,
  external_key bytea,
  role text NOT NULL DEFAULT 'player'::text,
  banned_at timestamp(3) with time zone,
  erased_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  banned_until timestamp(3) with time zone,
  banned_by uuid,
  hidden_at timestamp(3) with time zone,
  hidden_by uuid,
  named_by uuid,
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_check CHECK (((username IS NULL) = (password_hash IS NULL))),
  CONSTRAINT users_check1 CHECK (((external_id IS NULL) OR (external_key IS NOT NULL))),
  CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['player'::text, 'server'::text, 'admin'::text])))
);
CREATE INDEX users_banned_idx ON users USING btree (id) WHERE (banned_at IS NOT NULL);
CREATE INDEX users_banned_name_idx ON users USING btree (name_key(display_name) COLLATE "C", id) WHERE (banned_at IS NOT NULL);
CREATE INDEX users_banned_username_idx ON users USING btree (lower((username COLLATE "C")), id) WHERE ((banned_at IS NOT NULL) AND (username IS NOT NULL));
CREATE INDEX users_erased_idx ON users USING btree (erased_at) WHERE (erased_at IS NOT NULL);
CREATE UNIQUE INDEX users_external_key ON users USING btree (external_key) WHERE ((erased_at IS NULL) OR (banned_at IS NOT NULL));
CREATE INDEX users_forgotten_idx ON users USING btree (erased_at) WHERE ((erased_at IS NOT NULL) AND (banned_at IS NULL) AND (external_key IS NOT NULL));
CREATE INDEX users_hidden_idx ON users USING btree (id) WHERE (hidden_at IS NOT NULL);
CREATE INDEX users_name_idx ON users USING btree (name_key(display_name) COLLATE "C", id);
CREATE UNIQUE INDEX users_username_key ON users USING btree (lower((username COLLATE "C")));

CREATE TABLE webhook_deliveries (
  webhook_id uuid NOT NULL,
  id uuid NOT NULL,
  type text NOT NULL,
  data json NOT NULL,
  at timestamp(3) with time zone NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'waiting'::text,
  tries integer NOT NULL DEFAULT 0,
  next_try_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  tried_at timestamp(3) with time zone,
  status integer,
  error text,
  kept_until timestamp(3) with time zone,
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (webhook_id, id),
  CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'delivered'::text, 'dead'::text]))),
  CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks(id)
);
CREATE INDEX webhook_deliveries_dead_idx ON webhook_deliveries USING btree (webhook_id, id) WHERE (state = 'dead'::text);
CREATE INDEX webhook_deliveries_kept_idx ON webhook_deliveries USING btree (kept_until) WHERE (kept_until IS NOT NULL);
CREATE INDEX webhook_deliveries_waiting_idx ON webhook_deliveries USING btree (webhook_id, next_try_at) WHERE (state = 'waiting'::text);

CREATE TABLE webhooks (
  id uuid NOT NULL,
  url text NOT NULL,
  events text[] NOT NULL,
  format text NOT NULL,
  sealed bytea NOT NULL,
  sealed_by text NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  disabled_at timestamp(3) with time zone,
  disabled_because text,
  removed_at timestamp(3) with time zone,
  not_before timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  CONSTRAINT webhooks_pkey PRIMARY KEY (id),
  CONSTRAINT webhooks_disabled_because_check CHECK ((disabled_because = ANY (ARRAY['administrator'::text, 'gone'::text]))),
  CONSTRAINT webhooks_format_check CHECK ((format = ANY (ARRAY['standard'::text, 'discord'::text])))
);
