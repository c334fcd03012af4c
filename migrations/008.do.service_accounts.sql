-- The secret has 256 bits of its own, so a plain SHA-256 is as good as a slow hash.
CREATE TABLE service_accounts (
  id          uuid PRIMARY KEY,
  name        text NOT NULL UNIQUE,
  role        text NOT NULL CHECK (role IN ('server', 'admin')),
  secret_hash bytea NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT now(),
  revoked_at  timestamptz(3)
);
