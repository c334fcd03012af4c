-- A TypeID is a form of the edge; its 128 bits are stored as a uuid, and have the same order. The service converts ids by
-- itself. These functions are for people: uuid_of('usr_01…') finds the row of an id in a log, typeid('usr', id) names a row.
CREATE FUNCTION uuid_of(typeid text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN typeid ~ '^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$' THEN (
    SELECT string_agg(to_hex(substr(bits, 3 + 4 * n, 4)::bit(4)::int), '' ORDER BY n)::uuid
    FROM generate_series(0, 31) n, (
      SELECT string_agg((strpos('0123456789abcdefghjkmnpqrstvwxyz', substr(typeid, 5 + n, 1)) - 1)::bit(5)::text, '' ORDER BY n)
      FROM generate_series(0, 25) n
    ) of (bits)
  ) END
$$;

CREATE FUNCTION typeid(prefix text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT prefix || '_' || string_agg(
    substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + substr(bits, 1 + 5 * n, 5)::bit(5)::int, 1), '' ORDER BY n)
  FROM generate_series(0, 25) n, (SELECT '00' || ('x' || replace(id::text, '-', ''))::bit(128)::text) of (bits)
$$;

CREATE TABLE users (
  id            uuid PRIMARY KEY,
  display_name  text NOT NULL,
  username      text,
  password_hash text,
  external_id   text,
  external_key  bytea,
  role          text NOT NULL DEFAULT 'player' CHECK (role IN ('player', 'server', 'admin')),
  banned_at     timestamptz(3),
  erased_at     timestamptz(3),
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  CHECK ((username IS NULL) = (password_hash IS NULL)),
  CHECK (external_id IS NULL OR external_key IS NOT NULL)
);

-- SHA-256 of the external id: an erased user has only this, so that a ban can still keep it from coming back.
CREATE UNIQUE INDEX users_external_key ON users (external_key) WHERE erased_at IS NULL OR banned_at IS NOT NULL;
-- After a month it is forgotten.
CREATE INDEX users_forgotten_idx ON users (erased_at)
  WHERE erased_at IS NOT NULL AND banned_at IS NULL AND external_key IS NOT NULL;

-- The lower case of a user name is that of ASCII, whatever the locale of the database: in Turkish, IRIS and iris would be two.
CREATE UNIQUE INDEX users_username_key ON users (lower(username COLLATE "C"));
-- Access tokens of users who were erased lately are refused. Every instance looks for these when it starts.
CREATE INDEX users_erased_idx ON users (erased_at) WHERE erased_at IS NOT NULL;
-- Every instance knows who is banned.
CREATE INDEX users_banned_idx ON users (id) WHERE banned_at IS NOT NULL;
