CREATE UNIQUE INDEX users_username_locale_key ON users (lower(username));
DROP INDEX users_username_key;
ALTER INDEX users_username_locale_key RENAME TO users_username_key;
