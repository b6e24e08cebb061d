#!/bin/bash
# Runs once, on the empty primary: makes the roles of docs/database.md, the database, and what the replica needs.
set -eu

psql -v ON_ERROR_STOP=1 --username postgres \
  -v owner="$(cat /secrets/app_owner)" -v writer="$(cat /secrets/app_writer)" -v reader="$(cat /secrets/app_reader)" \
  -v replicator="$(cat /secrets/replicator)" <<'SQL'
create role bicameral_writer nologin;
create role bicameral_reader nologin;
create role app_owner login password :'owner';
create role app_writer login password :'writer' in role bicameral_writer, bicameral_reader;
create role app_reader login password :'reader' in role bicameral_reader;
create database bicameral owner app_owner;
create role replicator login replication password :'replicator';
select pg_create_physical_replication_slot('replica_1', true);
SQL

echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
