import { Migration } from '@mikro-orm/migrations';

/** A log that was restored from a dump into another cluster, where transactions are counted anew, is sealed on there. */
export class Migration20261130140000RestoredLog extends Migration {
  override up(): void {
    // Null in batches from before: their hash does not cover them.
    this.addSql('alter table cqrs.command_seal_batch add column system_identifier bigint, add column restored_position bigint');

    this.addSql('drop function cqrs.append_seals');
    this.addSql(`create function cqrs.append_seals(batch_number bigint, command_ids uuid[], times timestamptz[], digests bytea[], batch_root bytea,
        previous_hash bytea, batch_hash bytea, batch_signature bytea, signing_key text, at timestamptz, below xid8, record_form integer,
        cluster bigint, restored_through bigint) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        newest cqrs.command_seal_batch;
        size integer := cardinality(command_ids);
        first bigint;
      begin
        select * into newest from cqrs.command_seal_batch order by number desc limit 1;
        first := coalesce(newest.last_sequence, 0) + 1;
        if batch_number is distinct from coalesce(newest.number, 0) + 1
          or previous_hash is distinct from coalesce(newest.hash, decode(repeat('00', 32), 'hex')) then
          raise exception 'the batch does not follow the newest one' using errcode = 'serialization_failure';
        end if;
        -- The mark of a restore has no record.
        if not coalesce(size between 0 and 1000, false) or cardinality(times) is distinct from size or cardinality(digests) is distinct from size then
          raise exception 'a batch has at most 1000 records, each with its time and its digest' using errcode = 'invalid_parameter_value';
        end if;
        if not coalesce(below <= pg_snapshot_xmin(pg_current_snapshot()), false) then
          raise exception 'transactions that have not ended cannot be sealed' using errcode = 'invalid_parameter_value';
        end if;
        if cluster is distinct from (select system_identifier from pg_control_system())
          or not coalesce(restored_through between 0 and (select last_value from cqrs.command_log_position_seq), false) then
          raise exception 'a batch is sealed here, and seals what is there' using errcode = 'invalid_parameter_value';
        end if;
        insert into cqrs.command_seal (sequence, command_id, received_at, digest)
          select first + place - 1, id, received, digest
          from unnest(command_ids, times, digests) with ordinality as seal (id, received, digest, place);
        insert into cqrs.command_seal_batch
            (number, first_sequence, last_sequence, root, previous, hash, signature, key_id, sealed_at, sealed_below, form,
              system_identifier, restored_position)
          values (batch_number, first, first + size - 1, batch_root, previous_hash, batch_hash, batch_signature, signing_key, at, below, record_form,
            cluster, restored_through);
      end $$`);
    this.addSql('revoke execute on function cqrs.append_seals from public');
    this.addSql('grant execute on function cqrs.append_seals to bicameral_writer');

    // A position behind which no record is: those up to it are visible for whoever looks after this. The others will be of transactions from
    // the mark on, because nobody has added a record whose transaction is still under way. Commands wait while the table is locked, so what
    // takes long comes before. A sequence that was not restored goes on behind the records.
    this.addSql(`create function cqrs.end_of_log(out last_position bigint, out mark xid8)
      language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
      declare
        stored bigint := (select coalesce(max(position), 0) from cqrs.command_log);
      begin
        lock table cqrs.command_log in share mode;
        last_position := nextval('cqrs.command_log_position_seq');
        if last_position < stored then
          last_position := setval('cqrs.command_log_position_seq', stored);
        end if;
        select pg_snapshot_xmin(pg_current_snapshot()) into mark;
      end $$`);
    this.addSql('revoke execute on function cqrs.end_of_log from public');
    this.addSql('grant execute on function cqrs.end_of_log to bicameral_writer');

    // As before, but for the ids of restored records: they are of another cluster.
    this.addSql(`create or replace function cqrs.prune_command_log(ending_by timestamptz)
      returns table (month_from timestamptz, month_before timestamptz, removed bigint, through_sequence bigint)
      language plpgsql security definer
      set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set lock_timeout = '250ms' as $$
      declare
        newest cqrs.command_seal_batch;
        names text[] := '{}';
        lowers timestamptz[] := '{}';
        uppers timestamptz[] := '{}';
        counts bigint[] := '{}';
        part record;
        records bigint;
        unsealed boolean;
        kept bigint;
      begin
        select * into newest from cqrs.command_seal_batch order by number desc limit 1;
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
          execute format('select exists (select from %s where transaction_id >= $1 and position > coalesce($2, 0))', names[place])
            into unsealed using newest.sealed_below, newest.restored_position;
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
  }

  override down(): void {
    this.addSql('drop function cqrs.end_of_log, cqrs.append_seals');
    this.addSql('alter table cqrs.command_seal_batch drop column system_identifier, drop column restored_position');
  }
}
