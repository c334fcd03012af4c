#!/bin/sh
# The image of PostgreSQL runs this once, when it creates the database: allows the replica to connect, and creates a slot that
# keeps the changes it has not read yet.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$REPLICATION_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE replicator REPLICATION LOGIN PASSWORD :'password';
SELECT pg_create_physical_replication_slot('replica', true);
SQL
echo 'host replication replicator all scram-sha-256' >> "$PGDATA/pg_hba.conf"
