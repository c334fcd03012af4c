-- Who has changed what, when and why: written with the change. Its ids sort by time. An actor or a target may be of many kinds,
-- so these are texts.
CREATE TABLE admin_audit (
  id      uuid PRIMARY KEY,
  at      timestamptz(3) NOT NULL DEFAULT now(),
  actor   text NOT NULL,
  action  text NOT NULL,
  target  text NOT NULL,
  reason  text,
  details json NOT NULL
);

-- Acts of administrators that take their time: done in steps, by a job that any instance goes on with.
CREATE TABLE admin_acts (
  id uuid PRIMARY KEY REFERENCES admin_audit (id),
  filter json NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
  voided bigint NOT NULL DEFAULT 0,
  -- Null until they are counted.
  total bigint,
  -- The events down to this one, by time and id, have been seen; null until some are.
  behind_at timestamptz(3),
  behind uuid,
  problem text
);
