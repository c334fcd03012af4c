CREATE TABLE leaderboards (
  id         text COLLATE "C" PRIMARY KEY,
  title      text NOT NULL,
  sort       text NOT NULL CHECK (sort IN ('desc', 'asc')),
  operator   text NOT NULL CHECK (operator IN ('increment', 'best', 'latest')),
  season     integer NOT NULL DEFAULT 1,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

ALTER TABLE scores ADD FOREIGN KEY (leaderboard_id) REFERENCES leaderboards;

INSERT INTO leaderboards (id, title, sort, operator) VALUES ('global', 'Global', 'desc', 'increment');
