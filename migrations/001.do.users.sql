-- Ids are TypeIDs: text, ordered by time. COLLATE "C" makes their order that of bytes, here and in every process.
CREATE TABLE users (
  id            text COLLATE "C" PRIMARY KEY,
  display_name  text NOT NULL,
  username      text,
  password_hash text,
  external_id   text UNIQUE,
  role          text NOT NULL DEFAULT 'player' CHECK (role IN ('player', 'server', 'admin')),
  banned_at     timestamptz(3),
  erased_at     timestamptz(3),
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  CHECK ((username IS NULL) = (password_hash IS NULL))
);

-- The lower case of a user name is that of ASCII, whatever the locale of the database: in Turkish, IRIS and iris would be two.
CREATE UNIQUE INDEX users_username_key ON users (lower(username COLLATE "C"));
-- Access tokens of users who were erased lately are refused. Every instance looks for these when it starts.
CREATE INDEX users_erased_idx ON users (erased_at) WHERE erased_at IS NOT NULL;
-- Every instance knows who is banned.
CREATE INDEX users_banned_idx ON users (id) WHERE banned_at IS NOT NULL;
