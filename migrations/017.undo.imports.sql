DO $$
DECLARE one regclass;
BEGIN
  FOR one IN SELECT oid::regclass FROM pg_class WHERE relname ~ '^import_rows_[0-9a-f]{32}$' AND relkind = 'r' LOOP
    EXECUTE 'DROP TABLE ' || one;
  END LOOP;
END $$;
DROP TABLE import_rows;
DROP TABLE imports;
ALTER TABLE score_events DROP COLUMN imported_by;
ALTER TABLE score_events DROP COLUMN achieved_at;
