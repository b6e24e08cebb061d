import { Migration } from '@mikro-orm/migrations';

/**
 * Read models are made anew beside the old ones, in the schema `rebuild`, and take their places. The writer owns no table: functions of
 * the owner make, swap and drop them, and touch no other tables than those of `read` and `rebuild`.
 */
export class Migration20261130150000Rebuilds extends Migration {
  override up(): void {
    this.addSql('create schema rebuild');
    this.addSql('grant usage on schema rebuild to bicameral_writer');
    // `left_out` are events that wait as dead letters; a program whose projection reads otherwise than `definition` begins anew.
    this.addSql(
      `alter table cqrs.rebuild add column left_out bigint[] not null default '{}', add column definition text not null default '', add column difference_count bigint`,
    );

    // A table that nothing else is tied to, so that another one can take its place.
    this.addSql(`create function cqrs.table_to_rebuild(name text) returns regclass
      language plpgsql stable set search_path = pg_catalog, pg_temp as $$
      declare
        live oid := (select oid from pg_class where relnamespace = 'read'::regnamespace and 'read.' || relname = name and relkind <> 'i');
        problems text;
      begin
        if live is null then
          raise exception '% is no table of the schema read', name using errcode = 'undefined_table';
        end if;
        select string_agg(problem, ', ') into problems from (values
          ((select relkind <> 'r' or relispartition or relpersistence <> 'p' or reloftype <> 0 or relrowsecurity from pg_class where oid = live)
            or exists (select from pg_inherits where inhparent = live or inhrelid = live), 'is no plain table'),
          (exists (select from pg_attribute where attrelid = live and attidentity <> '')
            or exists (select from pg_depend join pg_class on pg_class.oid = objid
              where refclassid = 'pg_class'::regclass and refobjid = live and classid = 'pg_class'::regclass and relkind = 'S'), 'counts by a sequence'),
          (exists (select from pg_depend where refclassid = 'pg_class'::regclass and refobjid = live
            and classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass)), 'is read by a view, a rule or a function'),
          (exists (select from pg_constraint where confrelid = live), 'is referenced by a foreign key'),
          (exists (select from pg_statistic_ext where stxrelid = live), 'has extended statistics'),
          (exists (select from pg_publication_rel where prrelid = live), 'is published')
        ) as found (is_so, problem) where is_so;
        if problems is not null then
          raise exception '% cannot be rebuilt: it %', name, problems using errcode = 'feature_not_supported';
        end if;
        return live;
      end $$`);

    // Everything about a table but its rows and its schema.
    this.addSql(`create function cqrs.shape_of(relation oid) returns text[]
      language sql stable set search_path = pg_catalog, pg_temp as $$
        select array_agg(line order by line collate "C") from (
          select format('column %s %s %s %s', row_number() over (order by attnum), attname, format_type(atttypid, atttypmod),
              jsonb_build_array(attnotnull, attgenerated, pg_get_expr(adbin, adrelid), attcollation::regcollation, attstorage, attcompression,
                coalesce(attstattarget, -1), attoptions, array(select acl from unnest(attacl::text[]) as acl order by acl), col_description(relation, attnum)))
            from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
            where attrelid = relation and attnum > 0 and not attisdropped
          union all
          select format('table %s', jsonb_build_array(class.relowner::regrole, class.reloptions, toast.reloptions, class.relreplident, class.reltablespace,
              array(select acl from unnest(class.relacl::text[]) as acl order by acl), obj_description(relation, 'pg_class')))
            from pg_class as class left join pg_class as toast on toast.oid = class.reltoastrelid where class.oid = relation
          union all
          select format('constraint %s %s', conname, pg_get_constraintdef(oid)) from pg_constraint where conrelid = relation
          union all
          select format('index %s %s', regexp_replace(pg_get_indexdef(indexrelid), ' ON (read|rebuild)\\.', ' ON '), jsonb_build_array(indisclustered, indisreplident))
            from pg_index where indrelid = relation
          union all
          select format('trigger %s %s', regexp_replace(pg_get_triggerdef(oid), ' ON (read|rebuild)\\.', ' ON '), tgenabled)
            from pg_trigger where tgrelid = relation and not tgisinternal
        ) as shape (line)
      $$`);

    // Empty tables like those, without the indexes that are faster made when the rows are there.
    this.addSql(`create function cqrs.begin_rebuild(tables text[]) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        name text;
        live regclass;
        beside text;
        old pg_class;
        options text;
        part record;
      begin
        foreach name in array tables loop
          live := cqrs.table_to_rebuild(name);
          select * into old from pg_class where oid = live;
          beside := format('rebuild.%I', old.relname);
          execute format('drop table if exists %s', beside);
          select string_agg(option, ', ') into options from (
            select unnest(old.reloptions) union all select 'toast.' || unnest(reloptions) from pg_class where oid = old.reltoastrelid
          ) as every (option);
          execute format('create table %s (like %s including all excluding indexes excluding statistics)%s%s', beside, live,
            ' with (' || options || ')', (select format(' tablespace %I', spcname) from pg_tablespace where oid = old.reltablespace));

          for part in select column_name.attname, attstattarget, attoptions from pg_attribute as column_name
            where attrelid = live and attnum > 0 and not attisdropped and (attstattarget >= 0 or attoptions is not null)
          loop
            if part.attstattarget >= 0 then
              execute format('alter table %s alter column %I set statistics %s', beside, part.attname, part.attstattarget);
            end if;
            if part.attoptions is not null then
              execute format('alter table %s alter column %I set (%s)', beside, part.attname, array_to_string(part.attoptions, ', '));
            end if;
          end loop;
          if obj_description(live, 'pg_class') is not null then
            execute format('comment on table %s is %L', beside, obj_description(live, 'pg_class'));
          end if;

          for part in select conname, pg_get_constraintdef(oid) as definition from pg_constraint
            where conrelid = live and contype in ('p', 'u', 'x', 'f') order by contype = 'f', conname
          loop
            execute format('alter table %s add constraint %I %s', beside, part.conname, part.definition);
          end loop;
          for part in select regexp_replace(pg_get_indexdef(indexrelid), ' ON read\\.', ' ON rebuild.') as definition from pg_index
            where indrelid = live and indisunique and not exists (select from pg_constraint where conindid = indexrelid and conrelid = live)
          loop
            execute part.definition;
          end loop;

          for part in select tgname, tgenabled, regexp_replace(pg_get_triggerdef(oid), ' ON read\\.', ' ON rebuild.') as definition from pg_trigger
            where tgrelid = live and not tgisinternal
          loop
            execute part.definition;
            if part.tgenabled <> 'O' then
              execute format('alter table %s %s trigger %I', beside,
                case part.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, part.tgname);
            end if;
          end loop;

          -- What the role that migrates gives by default, and then what the old one has.
          for part in select distinct grantee from pg_class as made cross join aclexplode(made.relacl)
            where made.oid = beside::regclass and grantee <> made.relowner
          loop
            execute format('revoke all on %s from %s', beside, coalesce(nullif(part.grantee, 0)::regrole::text, 'public'));
          end loop;
          for part in
            select privilege_type as privilege, grantee, is_grantable from aclexplode(old.relacl) where grantee <> old.relowner
            union all
            select format('%s (%I)', privilege_type, attname), grantee, is_grantable from pg_attribute cross join aclexplode(attacl)
              where attrelid = live and not attisdropped
          loop
            execute format('grant %s on %s to %s%s', part.privilege, beside, coalesce(nullif(part.grantee, 0)::regrole::text, 'public'),
              case when part.is_grantable then ' with grant option' end);
          end loop;
        end loop;
      end $$`);

    // The indexes that they lack, and what the planner has to know of the rows. May be called again.
    this.addSql(`create function cqrs.index_rebuild(tables text[]) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        name text;
        live regclass;
        beside regclass;
        part record;
      begin
        foreach name in array tables loop
          live := cqrs.table_to_rebuild(name);
          beside := format('rebuild.%I', (select relname from pg_class where oid = live))::regclass;
          for part in select relname, indisclustered, indisreplident,
              regexp_replace(pg_get_indexdef(indexrelid), ' ON read\\.', ' ON rebuild.') as definition
            from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = live
          loop
            if not exists (select from pg_class where relnamespace = 'rebuild'::regnamespace and relname = part.relname) then
              execute part.definition;
            end if;
            if part.indisclustered then
              execute format('alter table %s cluster on %I', beside, part.relname);
            end if;
            if part.indisreplident then
              execute format('alter table %s replica identity using index %I', beside, part.relname);
            end if;
          end loop;
          if (select relreplident from pg_class where oid = live) in ('f', 'n') then
            execute format('alter table %s replica identity %s', beside,
              (select case relreplident when 'f' then 'full' else 'nothing' end from pg_class where oid = live));
          end if;
          execute format('analyze %s', beside);
        end loop;
      end $$`);

    // Puts them in the places of the old ones, which are gone when the transaction commits. Waits a moment for whoever reads them; lock_not_available
    // asks the caller to try again.
    this.addSql(`create function cqrs.finish_rebuild(tables text[]) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
      declare
        name text;
        live regclass;
        beside text;
      begin
        foreach name in array array(select distinct each from unnest(tables) as each order by each) loop
          execute format('lock table %s in access exclusive mode', cqrs.table_to_rebuild(name));
        end loop;
        foreach name in array array(select distinct each from unnest(tables) as each) loop
          live := cqrs.table_to_rebuild(name);
          beside := format('rebuild.%I', (select relname from pg_class where oid = live));
          if cqrs.shape_of(live) is distinct from cqrs.shape_of(to_regclass(beside)) then
            raise exception 'the definition of % has changed since the rebuild began', name using errcode = 'object_not_in_prerequisite_state';
          end if;
          execute format('drop table %s', live);
          execute format('alter table %s set schema read', beside);
        end loop;
      end $$`);

    this.addSql(`create function cqrs.drop_rebuild(tables text[]) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        beside text;
      begin
        for beside in select format('rebuild.%I', relname) from pg_class
          where relnamespace = 'rebuild'::regnamespace and relkind = 'r' and 'read.' || relname = any (tables) loop
          execute format('drop table %s', beside);
        end loop;
      end $$`);

    for (const name of ['table_to_rebuild', 'shape_of', 'begin_rebuild', 'index_rebuild', 'finish_rebuild', 'drop_rebuild'])
      this.addSql(`revoke execute on function cqrs.${name} from public`);
    for (const name of ['begin_rebuild', 'index_rebuild', 'finish_rebuild', 'drop_rebuild'])
      this.addSql(`grant execute on function cqrs.${name} to bicameral_writer`);
  }

  override down(): void {
    for (const name of ['drop_rebuild', 'finish_rebuild', 'index_rebuild', 'begin_rebuild', 'shape_of', 'table_to_rebuild'])
      this.addSql(`drop function cqrs.${name}`);
    this.addSql('alter table cqrs.rebuild drop column left_out, drop column definition, drop column difference_count');
    this.addSql('drop schema rebuild cascade');
  }
}
