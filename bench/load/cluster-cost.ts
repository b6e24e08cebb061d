import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { cpuTicks, TICKS_A_SECOND } from './cpu-time.ts';

/** What a PostgreSQL server has used since it started. */
export interface ClusterCost {
  readonly cpuSeconds: number;
  /** Written to its log, of a primary. */
  readonly walBytes: number;
  /** Of tables and their indexes, by the name of the table; partitions count as their table. */
  readonly tableBytes: ReadonlyMap<string, number>;
}

const STATE = `select pg_backend_pid() as pid, case when pg_is_in_recovery() then 0 else pg_current_wal_lsn() - '0/0' end as wal`;

const SIZES = `select coalesce(parent.oid, c.oid)::regclass::text as name, sum(pg_total_relation_size(c.oid)) as bytes
  from pg_class c join pg_namespace n on n.oid = relnamespace
  left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
  where c.relkind = 'r' and nspname in ('users', 'read', 'cqrs') group by 1`;

/** Asks the server, over a connection that is already open: what an own one costs would count. */
export async function clusterCost(client: pg.Client): Promise<ClusterCost> {
  const state = await client.query<{ pid: number; wal: string }>(STATE);
  const sizes = await client.query<{ name: string; bytes: string }>(SIZES);
  const [row] = state.rows;
  return {
    cpuSeconds: row ? await familySeconds(await parentOf(row.pid)) : Number.NaN,
    walBytes: Number(row?.wal),
    tableBytes: new Map(sizes.rows.map(({ name, bytes }) => [name, Number(bytes)])),
  };
}

/** Of a process with all of its children, the ended ones too. */
async function familySeconds(parent: number): Promise<number> {
  const entries = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(entries.map(parentOf));
  const children = entries.filter((_, index) => parents[index] === parent);
  const ticks = await Promise.all([...children.map((pid) => cpuTicks(pid)), cpuTicks(parent, { ended: true })]);
  return ticks.reduce<number>((sum, one) => sum + (one ?? 0), 0) / TICKS_A_SECOND;
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
}
