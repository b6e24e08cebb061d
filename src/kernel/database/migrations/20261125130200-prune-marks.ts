import { Migration } from '@mikro-orm/migrations';

/** A month is marked as pruned when it is over and nothing of it is left, and not before. */
export class Migration20261125130200PruneMarks extends Migration {
  override up(): void {
    // The function that prunes believes the marks, because it cannot check signatures: a mark of a month that is still there would
    // have it remove seals that are needed.
    this.addSql(`create function cqrs.keep_unpruned() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
      begin
        if new.received_from >= new.received_before or new.received_before > now()
          or exists (select from cqrs.command_log where received_at >= new.received_from and received_at < new.received_before) then
          raise exception 'the log still has what is said to be pruned' using errcode = 'insufficient_privilege';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger prune_mark_is_true before insert on cqrs.command_log_prune for each row execute function cqrs.keep_unpruned()',
    );
  }

  override down(): void {
    this.addSql('drop trigger prune_mark_is_true on cqrs.command_log_prune');
    this.addSql('drop function cqrs.keep_unpruned');
  }
}
