-- Of an event that was imported: achieved_at is the time that was given with it, accepted_at is when it was counted. imported_by is its
-- import.
ALTER TABLE score_events ADD achieved_at timestamptz(3);
ALTER TABLE score_events ADD imported_by uuid;

-- Files of scores that somebody brings. receiving: rows of the file arrive; counting: they go into the ledger, a page at a time. behind:
-- the line up to which they have. problem: why it has failed. faults: the first lines that do not count, and why.
CREATE TABLE imports (
  id             uuid PRIMARY KEY,
  leaderboard_id text COLLATE "C" NOT NULL,
  season         integer NOT NULL,
  dry_run        boolean NOT NULL,
  state          text NOT NULL DEFAULT 'receiving' CHECK (state IN ('receiving', 'counting', 'done', 'failed')),
  problem        text,
  columns        text[],
  begun_at       timestamptz(3) NOT NULL DEFAULT now(),
  changed_at     timestamptz(3) NOT NULL DEFAULT now(),
  ended_at       timestamptz(3),
  received_bytes bigint NOT NULL DEFAULT 0,
  received_lines bigint NOT NULL DEFAULT 0,
  received_rows  bigint NOT NULL DEFAULT 0,
  staged         bigint NOT NULL DEFAULT 0,
  behind         bigint NOT NULL DEFAULT 0,
  judged         bigint NOT NULL DEFAULT 0,
  counted        bigint NOT NULL DEFAULT 0,
  known          bigint NOT NULL DEFAULT 0,
  faulty         bigint NOT NULL DEFAULT 0,
  new_users      bigint NOT NULL DEFAULT 0,
  faults         json NOT NULL DEFAULT '[]'
);

CREATE INDEX imports_unended_idx ON imports (changed_at) WHERE state IN ('receiving', 'counting');

-- What the table of each import is made like: its rows, until they are counted. It is dropped then, so that nothing is left to vacuum.
CREATE TABLE import_rows (
  line         bigint PRIMARY KEY,
  row_key      uuid NOT NULL,
  external_id  text NOT NULL,
  display_name text,
  points       bigint NOT NULL,
  achieved_at  timestamptz(3) NOT NULL,
  metadata     json
);
