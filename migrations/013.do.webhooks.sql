-- Receivers of events. url: as it is shown, without what may be secret in it. sealed: the whole URL and the secrets, encrypted by the
-- key that sealed_by names. not_before: until then nothing is sent, because somebody is at it, or because the receiver asked for a
-- pause. removed_at: deleted; the row goes when its deliveries are gone.
CREATE TABLE webhooks (
  id               uuid PRIMARY KEY,
  url              text NOT NULL,
  events           text[] NOT NULL,
  format           text NOT NULL CHECK (format IN ('standard', 'discord')),
  sealed           bytea NOT NULL,
  sealed_by        text NOT NULL,
  created_at       timestamptz(3) NOT NULL DEFAULT now(),
  disabled_at      timestamptz(3),
  disabled_because text CHECK (disabled_because IN ('administrator', 'gone')),
  removed_at       timestamptz(3),
  not_before       timestamptz NOT NULL DEFAULT '-infinity'
);

-- The outbox: an event for a receiver, written with the change that it is about. The same event has the same id for every receiver.
-- Waiting rows have a next try; those that are delivered or dead are kept for some time.
CREATE TABLE webhook_deliveries (
  webhook_id  uuid NOT NULL REFERENCES webhooks,
  id          uuid NOT NULL,
  type        text NOT NULL,
  data        json NOT NULL,
  at          timestamptz(3) NOT NULL DEFAULT now(),
  state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
  tries       integer NOT NULL DEFAULT 0,
  next_try_at timestamptz(3) NOT NULL DEFAULT now(),
  tried_at    timestamptz(3),
  status      integer,
  error       text,
  kept_until  timestamptz(3),
  PRIMARY KEY (webhook_id, id)
);

CREATE INDEX webhook_deliveries_waiting_idx ON webhook_deliveries (webhook_id, next_try_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_dead_idx ON webhook_deliveries (webhook_id, id) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_kept_idx ON webhook_deliveries (kept_until) WHERE kept_until IS NOT NULL;

-- Whom the last event about the leader of a board has named; null is nobody.
CREATE TABLE published_leaders (
  leaderboard_id text COLLATE "C" PRIMARY KEY,
  season         integer NOT NULL,
  user_id        uuid,
  published_at        timestamptz(3) NOT NULL
);
