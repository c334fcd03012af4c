-- Who has changed what, when and why: written with the change. Its ids sort by time.
CREATE TABLE admin_audit (
  id      text COLLATE "C" PRIMARY KEY,
  at      timestamptz(3) NOT NULL DEFAULT now(),
  actor   text NOT NULL,
  action  text NOT NULL,
  target  text NOT NULL,
  reason  text,
  details json NOT NULL
);
