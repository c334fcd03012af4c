ALTER TABLE seasons DROP end_is_set;
