import type { TestDatabase } from './database.ts';

const OURS = `nspname in ('users', 'read', 'rebuild', 'cqrs')`;

/** Everything that migrations make, as text: what two databases have alike when it is the same. Months of the log are left out. */
const SCHEMA = `
  with relation as (
    select class.oid, format('%I.%I', nspname, relname) as name, relkind, relacl, coalesce(array_to_string(reloptions, ','), '') as options
    from pg_class as class join pg_namespace on pg_namespace.oid = relnamespace
    where ${OURS} and relkind in ('r', 'p', 'S', 'v') and not relispartition
  ), text as (
    select format('schema %I %s', nspname, (select string_agg(acl, ' ' order by acl) from unnest(nspacl::text[]) as acl)) as line
      from pg_namespace where ${OURS}
    union all select format('%s %s %s', relkind, name, options) from relation
    union all select format('grant %s %s', name, acl) from relation cross join unnest(relacl::text[]) as acl
    union all select format('column %s.%s %s%s%s%s%s%s', name, attname, format_type(atttypid, atttypmod),
        case when attnotnull then ' not null' end, ' default ' || pg_get_expr(adbin, adrelid), ' identity ' || nullif(attidentity::text, ''),
        ' collate ' || collname, ' grant ' || nullif(attacl::text, ''))
      from relation join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped and relkind <> 'S'
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        left join pg_collation on pg_collation.oid = attcollation and collname <> 'default'
    union all select format('constraint %s %s', name, pg_get_constraintdef(pg_constraint.oid))
      from relation join pg_constraint on conrelid = relation.oid
    union all select format('index %s', pg_get_indexdef(indexrelid)) from relation join pg_index on indrelid = relation.oid
    union all select format('trigger %s', pg_get_triggerdef(pg_trigger.oid)) from relation join pg_trigger on tgrelid = relation.oid and not tgisinternal
    union all select format('function %s %s', pg_get_functiondef(pg_proc.oid),
        (select string_agg(acl, ' ' order by acl) from unnest(proacl::text[]) as acl))
      from pg_proc join pg_namespace on pg_namespace.oid = pronamespace where ${OURS}
    union all select format('defaults %I %s %s', nspname, defaclobjtype,
        (select string_agg(acl, ' ' order by acl) from unnest(defaclacl::text[]) as acl))
      from pg_default_acl join pg_namespace on pg_namespace.oid = defaclnamespace
  )
  select line from text order by line collate "C"`;

/** The schema of a database as text. */
export async function schemaText({ query }: Pick<TestDatabase, 'query'>): Promise<string> {
  const lines = await query<{ line: string }>(SCHEMA);
  return lines.map(({ line }) => `${line}\n`).join('');
}
