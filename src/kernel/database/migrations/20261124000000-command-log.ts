import { Migration } from '@mikro-orm/migrations';

/** The events, the record of every attempted command, its seals, the keys of idempotent commands, and what limits calls. */
export class Migration20261124000000CommandLog extends Migration {
  override up(): void {
    // The events and the schema of the read models were made by the migration of users, when that was the one module.
    this.addSql('create schema if not exists read');
    this.addSql('grant usage on schema cqrs, read to bicameral_writer, bicameral_reader');
    this.addSql(`create table if not exists cqrs.event (
      position bigint generated always as identity primary key,
      transaction_id xid8 not null default pg_current_xact_id(),
      id uuid not null unique,
      type text not null,
      payload bytea not null,
      personal bytea,
      aggregate_type text not null,
      aggregate_id uuid not null,
      aggregate_version integer not null,
      command_id uuid not null,
      traceparent text not null,
      occurred_at timestamptz(3) not null
    )`);
    this.addSql('create index if not exists event_aggregate on cqrs.event (aggregate_id, position)');
    this.addSql('grant select, insert, update, delete on cqrs.event, cqrs.migration to bicameral_writer');
    this.addSql('grant select on cqrs.event to bicameral_reader');

    // received_at is the time in command_id (UUIDv7), so that an id alone leads to the partition and the primary key.
    this.addSql(`create table cqrs.command_log (
      position bigint generated always as identity,
      transaction_id xid8 not null default pg_current_xact_id(),
      command_id uuid not null,
      received_at timestamptz(3) not null,
      method text not null,
      principal text not null,
      roles text[] not null,
      session text not null,
      request json,
      personal json,
      personal_digest bytea,
      outcome text not null,
      code text not null,
      reason text not null,
      dry_run boolean not null,
      answered_by uuid,
      aggregate_type text,
      aggregate_id uuid,
      version_before integer,
      version_after integer,
      event_ids uuid[] not null,
      attempts integer not null,
      duration_us integer not null,
      trace_id text not null,
      peer text not null,
      user_agent text not null,
      primary key (received_at, command_id)
    ) partition by range (received_at)`);
    this.addSql('create table cqrs.command_log_default partition of cqrs.command_log default');
    this.addSql('create index command_log_transaction on cqrs.command_log (transaction_id)');
    this.addSql(
      'create index command_log_aggregate on cqrs.command_log (aggregate_id, received_at) where aggregate_id is not null',
    );
    this.addSql(`create index command_log_principal on cqrs.command_log (principal, received_at) where principal <> ''`);

    // One row a sealed record, in the order of the log. The digest is of the record without its place: see src/kernel/command-log/seals/canonical-record.ts.
    this.addSql(`create table cqrs.command_seal (
      sequence bigint primary key,
      command_id uuid not null,
      received_at timestamptz(3) not null,
      digest bytea not null
    )`);
    // Not unique: a record that was put in with the id of another must not stop the sealing.
    this.addSql('create index command_seal_command on cqrs.command_seal (command_id)');
    // One row a sealed batch. sealed_below is the transaction id under which everything is sealed.
    this.addSql(`create table cqrs.command_seal_batch (
      number bigint primary key,
      first_sequence bigint not null,
      last_sequence bigint not null,
      root bytea not null,
      previous bytea not null,
      hash bytea not null,
      signature bytea not null,
      key_id text not null,
      sealed_at timestamptz(3) not null,
      sealed_below xid8 not null
    )`);
    // Which months were removed on purpose: a mark is signed, so that records cannot be removed and said to be pruned.
    // Up to last_sequence, the seals of the removed records were removed too.
    this.addSql(`create table cqrs.command_log_prune (
      received_from timestamptz(3) primary key,
      received_before timestamptz(3) not null,
      pruned_at timestamptz(3) not null,
      last_sequence bigint not null,
      signature bytea not null,
      key_id text not null
    )`);

    this.addSql(`create table cqrs.idempotency_key (
      principal text not null,
      method text not null,
      key text not null,
      fingerprint bytea not null,
      command_id uuid not null,
      aggregate_id uuid,
      response bytea,
      created_at timestamptz(3) not null,
      primary key (principal, method, key)
    )`);
    this.addSql('create index idempotency_key_created on cqrs.idempotency_key (created_at)');
    this.addSql('create index idempotency_key_aggregate on cqrs.idempotency_key (aggregate_id) where aggregate_id is not null');

    // Guesses at a secret, counted by what is guessed at: see middleware/guess-limit.ts.
    this.addSql(`create table cqrs.guess (
      target bytea primary key,
      failures integer not null,
      blocked_until timestamptz not null,
      last_at timestamptz not null
    )`);
    this.addSql('create index guess_last on cqrs.guess (last_at)');
    // The table that rate-limiter-flexible expects.
    this.addSql(
      'create unlogged table cqrs.rate_limit (key varchar(255) primary key, points integer not null default 0, expire bigint)',
    );

    // Makes a write fail that came too late, so that its COMMIT can be sent with it.
    this.addSql(`create function cqrs.overtaken() returns integer language plpgsql as $$
      begin
        raise exception 'the row was written by another command' using errcode = 'serialization_failure';
      end $$`);

    // The owner makes and drops partitions; the program may run as a role that may not change the schema.
    this.addSql(`create function cqrs.add_command_log_partitions(months integer) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        month date;
      begin
        perform pg_advisory_xact_lock(hashtext('cqrs.command_log partitions'));
        for month in select generate_series(
          date_trunc('month', now() at time zone 'UTC'), date_trunc('month', now() at time zone 'UTC') + make_interval(months => months), '1 month')
        loop
          continue when to_regclass(format('cqrs.command_log_%s', to_char(month, 'YYYY_MM'))) is not null;
          execute format('create table cqrs.%I partition of cqrs.command_log for values from (%L) to (%L)',
            'command_log_' || to_char(month, 'YYYY_MM'), month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        end loop;
      end $$`);
    this.addSql(`revoke execute on function cqrs.add_command_log_partitions from public`);
    this.addSql('grant execute on function cqrs.add_command_log_partitions to bicameral_writer');
    this.addSql('select cqrs.add_command_log_partitions(24)');

    // Removes the months that end at or before a time, and the seals of the batches at the start of the log that lie wholly in removed
    // months. Only what is sealed is removed, whoever asks. The caller writes the signed marks in the same transaction.
    // Commands wait while the parent table is locked, so all that takes long comes before, and whoever is in the way is not waited for.
    this.addSql(`create function cqrs.prune_command_log(ending_by timestamptz)
      returns table (month_from timestamptz, month_before timestamptz, removed bigint, through_sequence bigint)
      language plpgsql security definer
      set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set lock_timeout = '250ms' as $$
      declare
        sealed_mark xid8 := (select sealed_below from cqrs.command_seal_batch order by number desc limit 1);
        names text[] := '{}';
        lowers timestamptz[] := '{}';
        uppers timestamptz[] := '{}';
        counts bigint[] := '{}';
        part record;
        records bigint;
        unsealed boolean;
        kept bigint;
      begin
        for part in
          select child.oid::regclass::text as name, bounds[1]::timestamptz as lower, bounds[2]::timestamptz as upper
          from pg_inherits join pg_class as child on child.oid = inhrelid
            cross join regexp_match(pg_get_expr(child.relpartbound, child.oid), $r$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$r$) as bounds
          where inhparent = 'cqrs.command_log'::regclass and bounds[2]::timestamptz <= least(ending_by, now())
          order by lower
        loop
          execute format('select exists (select from %s as record where not exists (select from cqrs.command_seal as seal
            where seal.command_id = record.command_id and seal.received_at = record.received_at))', part.name) into unsealed;
          if unsealed then
            raise exception using errcode = 'BC001', message = to_char(part.lower, 'YYYY-MM');
          end if;
          execute format('select count(*) from %s', part.name) into records;
          names := names || part.name;
          lowers := lowers || part.lower;
          uppers := uppers || part.upper;
          counts := counts || records;
        end loop;
        if cardinality(names) = 0 then
          return;
        end if;

        select sequence into kept from cqrs.command_seal as seal
          where not exists (select from unnest(lowers, uppers) as month (lower, upper)
              where seal.received_at >= month.lower and seal.received_at < month.upper)
            and not exists (select from cqrs.command_log_prune as mark
              where seal.received_at >= mark.received_from and seal.received_at < mark.received_before)
          order by sequence limit 1;
        select coalesce(max(last_sequence), 0) into through_sequence from cqrs.command_seal_batch
          where kept is null or last_sequence < kept;
        delete from cqrs.command_seal where sequence <= through_sequence;

        lock table only cqrs.command_log in access exclusive mode;
        for place in 1 .. cardinality(names) loop
          -- What was committed since the look at the seals is not sealed.
          execute format('select exists (select from %s where transaction_id >= $1)', names[place]) into unsealed using sealed_mark;
          if unsealed then
            raise exception using errcode = 'BC001', message = to_char(lowers[place], 'YYYY-MM');
          end if;
          execute format('drop table %s', names[place]);
          month_from := lowers[place];
          month_before := uppers[place];
          removed := counts[place];
          return next;
        end loop;
      end $$`);
    this.addSql(`revoke execute on function cqrs.prune_command_log from public`);
    this.addSql('grant execute on function cqrs.prune_command_log to bicameral_writer');

    // Records are added and never changed; what is personal in them can be erased, and nothing else.
    this.addSql(
      'grant select, insert on cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch, cqrs.command_log_prune to bicameral_writer',
    );
    this.addSql('grant update (personal) on cqrs.command_log to bicameral_writer');
    this.addSql('grant select, insert, update, delete on cqrs.idempotency_key, cqrs.guess, cqrs.rate_limit to bicameral_writer');
    this.addSql(
      'grant select on cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch, cqrs.command_log_prune to bicameral_reader',
    );
  }

  override down(): void {
    this.addSql('drop function cqrs.add_command_log_partitions, cqrs.prune_command_log, cqrs.overtaken');
    this.addSql(
      'drop table cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch, cqrs.command_log_prune, cqrs.idempotency_key, cqrs.guess, cqrs.rate_limit',
    );
  }
}
