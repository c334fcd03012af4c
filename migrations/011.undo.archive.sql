DROP TABLE archive_progress;
DROP TABLE archived_standings;
