-- An account has a role or scopes of its own. Instances of before cannot read one without a role, and refuse it.
ALTER TABLE service_accounts ALTER role DROP NOT NULL;
ALTER TABLE service_accounts ADD scopes text[];
-- The secret before works too until then.
ALTER TABLE service_accounts ADD previous_secret_hash bytea;
ALTER TABLE service_accounts ADD previous_secret_until timestamptz(3);
ALTER TABLE service_accounts ADD last_used_at timestamptz(3);

-- People who administer. sealed: the secret of their one-time codes, encrypted by the key that sealed_by names. last_step: when the
-- last code that was used is of, in steps of 30 s; it and those before are not taken again.
CREATE TABLE administrators (
  id            uuid PRIMARY KEY,
  name          text NOT NULL,
  role          text NOT NULL CHECK (role IN ('admin', 'moderator')),
  password_hash text NOT NULL,
  sealed        bytea NOT NULL,
  sealed_by     text NOT NULL,
  last_step     bigint NOT NULL DEFAULT 0,
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  disabled_at   timestamptz(3)
);
CREATE UNIQUE INDEX administrators_name_key ON administrators (lower(name COLLATE "C"));

-- In place of a code, once. A code has 50 bits of its own and can be tried only behind a password.
CREATE TABLE recovery_codes (
  administrator_id uuid NOT NULL REFERENCES administrators,
  code_hash        bytea NOT NULL,
  used_at          timestamptz(3),
  PRIMARY KEY (administrator_id, code_hash)
);

CREATE TABLE administrator_sessions (
  secret_hash      bytea PRIMARY KEY,
  administrator_id uuid NOT NULL REFERENCES administrators,
  created_at       timestamptz(3) NOT NULL DEFAULT now(),
  used_at          timestamptz(3) NOT NULL DEFAULT now(),
  expires_at       timestamptz(3) NOT NULL
);
CREATE INDEX administrator_sessions_administrator_idx ON administrator_sessions (administrator_id);
CREATE INDEX administrator_sessions_expires_idx ON administrator_sessions (expires_at);
