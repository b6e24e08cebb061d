import { Migration } from '@mikro-orm/migrations';

/** The record of every attempted command, its seals, the keys of idempotent commands, and what limits calls. */
export class Migration20261124000000CommandLog extends Migration {
  override up(): void {
    // received_at is the time in command_id (UUIDv7), so that an id alone leads to the partition and the primary key.
    this.addSql(`create table cqrs.command_log (
      position bigint generated always as identity,
      transaction_id xid8 not null default pg_current_xact_id(),
      command_id uuid not null,
      received_at timestamptz(3) not null,
      method text not null,
      principal text not null,
      roles text[] not null,
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
    this.addSql('create index command_log_aggregate on cqrs.command_log (aggregate_id) where aggregate_id is not null');
    this.addSql(`create index command_log_principal on cqrs.command_log (principal, received_at) where principal <> ''`);

    // One row a sealed record, in the order of the log.
    this.addSql(`create table cqrs.command_seal (
      sequence bigint primary key,
      command_id uuid not null,
      received_at timestamptz(3) not null,
      leaf bytea not null
    )`);
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
    // What was removed on purpose: a mark is signed, so that records cannot be removed and said to be pruned.
    this.addSql(`create table cqrs.command_log_prune (
      pruned_before timestamptz(3) primary key,
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
    this.addSql('drop function cqrs.add_command_log_partitions');
    this.addSql(
      'drop table cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch, cqrs.command_log_prune, cqrs.idempotency_key, cqrs.guess, cqrs.rate_limit',
    );
  }
}
