#!/bin/sh
# Run once by the image of PostgreSQL, when it makes the database: lets the replica in, and keeps for it what it has not
# read yet.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$REPLICATION_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE replicator REPLICATION LOGIN PASSWORD :'password';
SELECT pg_create_physical_replication_slot('replica', true);
SQL
echo 'host replication replicator all scram-sha-256' >> "$PGDATA/pg_hba.conf"
