-- The lower case of a user name is that of ASCII, whatever the locale of the database: in Turkish, IRIS and iris would be two.
CREATE UNIQUE INDEX users_username_bytes_key ON users (lower(username COLLATE "C"));
DROP INDEX users_username_key;
ALTER INDEX users_username_bytes_key RENAME TO users_username_key;
