import type pg from 'pg';
import { type Difference, type Differences, RebuildFailed } from './rebuild-job.ts';

/** Differences that are listed; the others are counted. */
const LISTED = 100;

/**
 * Compares tables with those of the same names beside, row by row, both ways, in the transaction of the client. What is listed of a row is its key and
 * the names of its columns: values may be personal data.
 */
export async function compareTables(client: pg.ClientBase, tables: readonly string[]): Promise<Differences> {
  const first: Difference[] = [];
  let count = 0;
  for (const table of tables) {
    const { rows } = await client.query<Found>(await comparison(client, table));
    count += Number(rows[0]?.count ?? 0);
    for (const { key, kind, columns } of rows)
      if (first.length < LISTED) first.push({ table, key, kind, columns: columns ?? [] });
  }
  return { count, first };
}

interface Found extends Pick<Difference, 'key' | 'kind'> {
  readonly columns: readonly string[] | null;
  readonly count: string;
}

async function comparison(client: pg.ClientBase, table: string): Promise<string> {
  const { rows } = await client.query<{ key: string[] | null; live: string; made: string }>(
    `select array(select quote_ident(attname) from pg_index cross join unnest(indkey) with ordinality as column_of (number, place)
         join pg_attribute on attrelid = indrelid and attnum = number where indrelid = class.oid and indisprimary order by place) as key,
       class.oid::regclass::text as live, format('rebuild.%I', relname) as made
     from pg_class as class where relnamespace = 'read'::regnamespace and 'read.' || relname = $1`,
    [table.toLowerCase()],
  );
  const [found] = rows;
  if (!found?.key || found.key.length === 0) throw new RebuildFailed(`${table} has no primary key to compare its rows by`);
  const { key, live, made } = found;
  const same = key.map((column) => `live.${column} = made.${column}`).join(' and ');
  const shown = key.map((column) => `coalesce(live.${column}, made.${column})::text`).join(', ');
  return `with different as materialized (
    select concat_ws(', ', ${shown}) as key, live.${key[0]} is null as is_missing, made.${key[0]} is null as is_surplus,
      to_jsonb(live) as is, to_jsonb(made) as should
    from ${live} as live full join ${made} as made on ${same}
    where live.${key[0]} is null or made.${key[0]} is null or to_jsonb(live) <> to_jsonb(made)
  )
  select key, case when is_missing then 'missing' when is_surplus then 'surplus' else 'changed' end as kind,
    case when not is_missing and not is_surplus then
      array(select key from jsonb_each("is") as own full join jsonb_each(should) as other using (key) where own.value is distinct from other.value order by key)
    end as columns,
    (select count(*) from different) as count
  from different order by key limit ${LISTED}`;
}
