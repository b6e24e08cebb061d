import { Migration } from '@mikro-orm/migrations';

/** The monthly partitions of the log are made for as long as the program lives, also where records have gone into the default one. */
export class Migration20261125130100MonthsAhead extends Migration {
  override up(): void {
    // Makes one month; what the default partition holds of it moves along. False when there is one.
    // Whoever reads or writes the log in a way that stands against it is not waited for: it can be called again.
    this.addSql(`create function cqrs.make_command_log_month(month date) returns boolean
      language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '250ms' as $$
      declare
        name text := 'command_log_' || to_char(month, 'YYYY_MM');
        lower timestamptz := date_trunc('month', month::timestamp) at time zone 'UTC';
        upper timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
      begin
        if to_regclass('cqrs.' || name) is not null then
          return false;
        end if;
        execute format('create table cqrs.%I (like cqrs.command_log including defaults including constraints)', name);
        lock table only cqrs.command_log_default in access exclusive mode;
        execute format('with moved as (delete from cqrs.command_log_default where received_at >= $1 and received_at < $2 returning *)
          insert into cqrs.%I select * from moved', name) using lower, upper;
        -- Known before, so that the new partition need not be read to be attached.
        execute format('alter table cqrs.%I add constraint month check (received_at is not null and received_at >= %L and received_at < %L)', name, lower, upper);
        execute format('alter table cqrs.command_log attach partition cqrs.%I for values from (%L) to (%L)', name, lower, upper);
        execute format('alter table cqrs.%I drop constraint month', name);
        return true;
      end $$`);
    this.addSql('revoke execute on function cqrs.make_command_log_month from public');

    // What is missing of the months from a day on, and the oldest few that records in the default partition belong to.
    this.addSql(`create function cqrs.make_command_log_months(first date, months integer) returns integer
      language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
      declare
        month date;
        made integer := 0;
      begin
        for month in
          select generate_series(date_trunc('month', first::timestamp), date_trunc('month', first::timestamp) + make_interval(months => months), '1 month')::date
          union
          (select distinct date_trunc('month', received_at)::date from cqrs.command_log_default
            where received_at between now() - interval '50 years' and now() + interval '50 years' order by 1 limit 6)
          order by 1
        loop
          if cqrs.make_command_log_month(month) then
            made := made + 1;
          end if;
        end loop;
        return made;
      end $$`);
    this.addSql('revoke execute on function cqrs.make_command_log_months from public');

    // As before for whoever calls it, with a bound: a replica cannot follow a transaction that makes thousands of tables. Answers how many it made.
    this.addSql('drop function cqrs.add_command_log_partitions(integer)');
    this.addSql(`create function cqrs.add_command_log_partitions(months integer) returns integer
      language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
      begin
        if not coalesce(months between 0 and 36, false) then
          raise exception 'months are made ahead up to 36, not %', months using errcode = 'invalid_parameter_value';
        end if;
        if not pg_try_advisory_xact_lock(hashtext('cqrs.command_log partitions')) then
          return 0;
        end if;
        return cqrs.make_command_log_months(now()::date, months);
      end $$`);
    this.addSql('revoke execute on function cqrs.add_command_log_partitions from public');
    this.addSql('grant execute on function cqrs.add_command_log_partitions to bicameral_writer');
    this.addSql('select cqrs.add_command_log_partitions(24)');
  }

  override down(): void {
    this.addSql('drop function cqrs.make_command_log_months, cqrs.make_command_log_month');
  }
}
