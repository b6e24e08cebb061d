import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { cpuTicks, TICKS_A_SECOND } from './cpu-time.ts';

/** What a PostgreSQL server has used since it started. */
export interface ClusterCost {
  readonly cpuSeconds: number;
  /** Of the one process of a replica that applies the primary's log. */
  readonly replaySeconds: number;
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
    ...(await secondsOf(await parentOf(row?.pid ?? 0))),
    walBytes: Number(row?.wal),
    tableBytes: new Map(sizes.rows.map(({ name, bytes }) => [name, Number(bytes)])),
  };
}

/** Of a server with all of its processes, the ended ones too. */
async function secondsOf(postmaster: number): Promise<Pick<ClusterCost, 'cpuSeconds' | 'replaySeconds'>> {
  const entries = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(entries.map(parentOf));
  const children = entries.filter((_, index) => parents[index] === postmaster);
  let [all, replay] = [(await cpuTicks(postmaster, { ended: true })) ?? 0, 0];
  for (const pid of children) {
    const ticks = (await cpuTicks(pid)) ?? 0;
    all += ticks;
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(': startup')) replay += ticks;
  }
  return { cpuSeconds: all / TICKS_A_SECOND, replaySeconds: replay / TICKS_A_SECOND };
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
}
