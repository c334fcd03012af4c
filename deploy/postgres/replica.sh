#!/bin/sh
# A streaming replica: copies the primary when its folder is empty, then follows it. The arguments are options of the server.
set -eu
export PGPASSWORD="$REPLICATION_PASSWORD"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # An interrupted copy is started again.
  draft="$PGDATA.new"
  rm -rf "$draft"
  mkdir -p "$(dirname "$PGDATA")"
  pg_basebackup --pgdata "$draft" --wal-method stream --slot replica --write-recovery-conf --checkpoint fast \
    --dbname "host=$PRIMARY_HOST port=${PRIMARY_PORT:-5432} user=replicator connect_timeout=5"
  mv "$draft" "$PGDATA"
fi
unset PGPASSWORD
exec postgres -D "$PGDATA" "$@"
