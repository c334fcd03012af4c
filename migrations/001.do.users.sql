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

CREATE UNIQUE INDEX users_username_key ON users (lower(username));
