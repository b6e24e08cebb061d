import { Migration } from '@mikro-orm/migrations';

/**
 * What the writer's role is worth to whoever steals it: it adds events and seals and changes none, and the functions of the owner that
 * it may call have bounds.
 */
export class Migration20261125130000LeastRights extends Migration {
  override up(): void {
    // The program only looks which migrations were run; the owner runs them.
    this.addSql('revoke all on cqrs.migration from bicameral_writer');
    this.addSql('grant select on cqrs.migration to bicameral_writer');
    this.addSql('revoke all on cqrs.event from bicameral_writer');
    this.addSql('grant select, insert, update (personal) on cqrs.event to bicameral_writer');
    this.addSql(`create function cqrs.keep_personal() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
      begin
        raise exception 'what is personal in an event can be erased and not changed' using errcode = 'insufficient_privilege';
      end $$`);
    this.addSql(`create trigger event_personal_is_kept before update on cqrs.event
      for each row when (new.personal is not null and new.personal is distinct from old.personal) execute function cqrs.keep_personal()`);

    // One batch and its seals, right behind the newest one. Nobody can write one that stands elsewhere, or that says of what has not
    // happened yet that it is sealed. Who wrote it, the signature says: see src/kernel/command-log/seals/seal-round.ts.
    this.addSql('revoke insert on cqrs.command_seal, cqrs.command_seal_batch from bicameral_writer');
    this.addSql(`create function cqrs.append_seals(batch_number bigint, command_ids uuid[], times timestamptz[], digests bytea[], batch_root bytea,
        previous_hash bytea, batch_hash bytea, batch_signature bytea, signing_key text, at timestamptz, below xid8, record_form integer) returns void
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
        if not coalesce(size between 1 and 1000, false) or cardinality(times) is distinct from size or cardinality(digests) is distinct from size then
          raise exception 'a batch has 1 to 1000 records, each with its time and its digest' using errcode = 'invalid_parameter_value';
        end if;
        if not coalesce(below <= pg_snapshot_xmin(pg_current_snapshot()), false) then
          raise exception 'transactions that have not ended cannot be sealed' using errcode = 'invalid_parameter_value';
        end if;
        insert into cqrs.command_seal (sequence, command_id, received_at, digest)
          select first + place - 1, id, received, digest
          from unnest(command_ids, times, digests) with ordinality as seal (id, received, digest, place);
        insert into cqrs.command_seal_batch
            (number, first_sequence, last_sequence, root, previous, hash, signature, key_id, sealed_at, sealed_below, form)
          values (batch_number, first, first + size - 1, batch_root, previous_hash, batch_hash, batch_signature, signing_key, at, below, record_form);
      end $$`);
    this.addSql('revoke execute on function cqrs.append_seals from public');
    this.addSql('grant execute on function cqrs.append_seals to bicameral_writer');
  }

  override down(): void {
    this.addSql('drop function cqrs.append_seals');
    this.addSql('drop trigger event_personal_is_kept on cqrs.event');
    this.addSql('drop function cqrs.keep_personal');
    this.addSql('grant insert on cqrs.command_seal, cqrs.command_seal_batch to bicameral_writer');
    this.addSql('grant insert, update, delete on cqrs.event, cqrs.migration to bicameral_writer');
  }
}
