#!/bin/bash
# Copies the primary the first time, and follows it from then on.
set -eu

if [ ! -e "$PGDATA" ]; then
  # In place once it is whole.
  rm -rf "$PGDATA.unfinished"
  pg_basebackup --dbname='host=primary user=replicator passfile=/secrets/replicator.pgpass' \
    --pgdata="$PGDATA.unfinished" --slot=replica_1 --write-recovery-conf --checkpoint=fast
  mv "$PGDATA.unfinished" "$PGDATA"
fi
exec postgres
