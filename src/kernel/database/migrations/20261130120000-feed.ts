import { Migration } from '@mikro-orm/migrations';

/** The feed: the numbers of events, those who process them, and those who read them. */
export class Migration20261130120000Feed extends Migration {
  override up(): void {
    // The dense number of each event. Rows are added by cqrs.number_events and never changed.
    this.addSql('create table cqrs.feed (sequence bigint primary key, position bigint not null unique)');
    this.addSql('create index event_transaction on cqrs.event (transaction_id)');
    // One row. `seen` is what the last round saw: what is visible now and was not then has no number yet. It says so by the ids of transactions,
    // which hold on the server that gave them only. Each round writes the row anew; while a transaction somewhere stays open, its
    // old versions stay. The newest one is found at the end of the key, at once, however many there are: order by last_sequence desc limit 1.
    this.addSql(`create table cqrs.sequencer (
      last_sequence bigint primary key default 0,
      last_position bigint not null default 0,
      seen pg_snapshot not null,
      numbered_at timestamptz(3) not null default now(),
      system_identifier bigint not null
    )`);
    this.addSql(`insert into cqrs.sequencer (seen, system_identifier)
      select pg_current_snapshot(), system_identifier from pg_control_system()`);

    // Gives every event that became visible since the last round its number, in the order of their positions. Returns how many that
    // were, at most some more than \`most\`, or null when another session is at it. See docs/adr/0029-events-are-numbered-when-they-become-visible.md.
    //
    // What holds after each round: every event that \`seen\` sees and whose position is at most \`last_position\` has a number, and no other has.
    // So without a number are those behind \`last_position\`, and those before it whose transactions had not ended when \`seen\` was taken: they were under way,
    // or had no id yet, because a position is taken before it. The latter are looked for by ids that \`seen\` does not know.
    //
    // Each part has to be found by its index, whatever the statistics say of a table that grows: no part may become a scan of all events.
    // So \`position + 0\` is no condition for an index, and the look for a number is a subquery for each row: events of another server may have any id.
    this.addSql(`create function cqrs.number_events(most integer) returns integer
      language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
      declare
        state cqrs.sequencer;
        here bigint := (select system_identifier from pg_control_system());
        given integer;
        last bigint;
        sees pg_snapshot;
      begin
        if current_setting('transaction_isolation') <> 'read committed' then
          raise 'events are numbered in a transaction that is read committed: another does not see what the last round did';
        end if;
        if not pg_try_advisory_xact_lock(hashtext('cqrs.sequencer')) then
          return null;
        end if;
        -- A statement of its own, which sees what the one before did who had the lock.
        select * into strict state from cqrs.sequencer order by last_sequence desc limit 1;

        if state.system_identifier = here then
          with fresh as (
            (select position from cqrs.event where position > state.last_position order by position limit most)
            union all
            select position from cqrs.event
              where transaction_id >= pg_snapshot_xmax(state.seen) and transaction_id < pg_snapshot_xmax(pg_current_snapshot())
                and position + 0 < state.last_position
                and (select true from cqrs.feed where feed.position = event.position) is null
            union all
            select position from cqrs.event
              where transaction_id = any (array(select pg_snapshot_xip(state.seen)))
                and position + 0 < state.last_position
                and (select true from cqrs.feed where feed.position = event.position) is null
          ), numbered as (
            insert into cqrs.feed (sequence, position)
            select state.last_sequence + row_number() over (order by position), position from fresh returning position
          )
          select count(*), greatest(state.last_position, max(position)), pg_current_snapshot() into given, last, sees from numbered;
        else
          -- Restored from a dump: transactions are counted anew, and what \`seen\` says holds no more. What is behind \`last_position\` is left to
          -- the next round. \`sees\` is taken before, so that the next round misses nothing.
          sees := pg_current_snapshot();
          with numbered as (
            insert into cqrs.feed (sequence, position)
            select state.last_sequence + row_number() over (order by position), position from cqrs.event
              where position <= state.last_position and not exists (select from cqrs.feed where feed.position = event.position)
            returning position
          )
          select count(*), state.last_position into given, last from numbered;
        end if;

        if given > 0 or state.system_identifier <> here then
          update cqrs.sequencer set last_sequence = state.last_sequence + given, last_position = last, seen = sees,
            numbered_at = clock_timestamp(), system_identifier = here
            where last_sequence = state.last_sequence;
          perform pg_notify('cqrs_feed', (state.last_sequence + given)::text);
        end if;
        return given;
      end $$`);
    this.addSql('revoke execute on function cqrs.number_events from public');
    this.addSql('grant execute on function cqrs.number_events to bicameral_writer');

    // Every process of the service that is running; one that was not seen for a while is gone.
    this.addSql(`create table cqrs.instance (
      id uuid primary key,
      host text not null,
      pid integer not null,
      version text not null,
      started_at timestamptz(3) not null,
      seen_at timestamptz(3) not null,
      processors text[] not null default '{}'
    )`);

    // Who reads the feed in order: async projections and reactors, each up to its checkpoint. `moves` counts what was done by it: whatever
    // has an effect counts it on, and does nothing where somebody else did so since it was read.
    this.addSql(`create table cqrs.processor (
      name text not null,
      partition integer not null default 0,
      partitions integer not null default 1,
      kind text not null check (kind in ('projection', 'reactor')),
      checkpoint bigint not null default 0,
      checkpoint_at timestamptz(3) not null default now(),
      moves bigint not null default 0,
      owner uuid,
      paused boolean not null default false,
      attempts integer not null default 0,
      error text,
      failing_since timestamptz(3),
      retry_at timestamptz(3),
      definition text not null default '',
      primary key (name, partition)
    )`);
    // Events that a processor could not handle, and those of the same aggregate behind them.
    this.addSql(`create table cqrs.dead_letter (
      processor text not null,
      partition integer not null,
      sequence bigint not null,
      aggregate_id uuid not null,
      type text not null,
      attempts integer not null,
      error text,
      parked_at timestamptz(3) not null default now(),
      retry boolean not null default false,
      primary key (processor, sequence)
    )`);
    this.addSql('create index dead_letter_aggregate on cqrs.dead_letter (processor, aggregate_id, sequence)');
    this.addSql('create index dead_letter_retry on cqrs.dead_letter (processor, partition) where retry');

    // Projections that are being made anew, or compared, and how that went.
    this.addSql(`create table cqrs.rebuild (
      id uuid primary key,
      projection text not null,
      verify boolean not null,
      state text not null check (state in ('running', 'done', 'cancelled', 'failed')),
      step text not null default '',
      place bigint not null default 0,
      key uuid,
      done bigint not null default 0,
      total bigint not null default 0,
      owner uuid,
      started_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      finished_at timestamptz(3),
      error text,
      differences jsonb
    )`);
    this.addSql(`create unique index rebuild_running on cqrs.rebuild (projection) where state = 'running'`);

    // How far those have come that subscribe to events by a name.
    this.addSql(`create table cqrs.subscription (
      name text primary key,
      principal text not null,
      acknowledged bigint not null default 0,
      consumer uuid,
      created_at timestamptz(3) not null default now(),
      updated_at timestamptz(3) not null default now()
    )`);

    this.addSql('grant select on cqrs.feed, cqrs.sequencer to bicameral_writer');
    this.addSql(
      'grant select, insert, update, delete on cqrs.instance, cqrs.processor, cqrs.dead_letter, cqrs.rebuild, cqrs.subscription to bicameral_writer',
    );
    this.addSql(
      'grant select on cqrs.feed, cqrs.sequencer, cqrs.instance, cqrs.processor, cqrs.dead_letter, cqrs.rebuild, cqrs.subscription to bicameral_reader',
    );
  }

  override down(): void {
    this.addSql('drop function cqrs.number_events');
    this.addSql(
      'drop table cqrs.feed, cqrs.sequencer, cqrs.instance, cqrs.processor, cqrs.dead_letter, cqrs.rebuild, cqrs.subscription',
    );
    this.addSql('drop index cqrs.event_transaction');
  }
}
