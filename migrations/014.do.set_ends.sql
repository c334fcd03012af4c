-- end_is_set: ends_at was set by hand, or by a schedule that the board had before. So new rules of a time zone do not move it.

ALTER TABLE seasons ADD end_is_set boolean NOT NULL DEFAULT false;
