import { randomUUIDv7 } from 'node:crypto';
import { hostname } from 'node:os';
import type pg from 'pg';
import type { Logger } from 'pino';
import { loop } from '../background/loop.ts';

/** From one sign of life to the next, in milliseconds. */
const BEAT = 300;
/** After this time without one, an instance counts as gone, in milliseconds: three in a row are missing. */
export const SILENCE = 1_000;
/** How long those that are gone are still shown. */
const REMEMBERED = '1 hour';

/** This process, as the others see it in cqrs.instance. */
export interface Instance {
  readonly id: string;
  /** Takes it off the list, so that the others need not wait. */
  readonly stop: () => Promise<void>;
}

/** Whether the instance of that row is there, by the clock of the database: those of the instances may differ. */
export const isAlive = (row: string): string => `${row}.seen_at > clock_timestamp() - interval '${SILENCE} ms'`;

/**
 * Puts this process on the list of those that run, and keeps it there. It only helps to share the work: who is thought gone and is not does no harm.
 * The pool is one for short statements.
 */
export async function startInstance({
  pool,
  version,
  processors,
  logger,
  id = randomUUIDv7(),
  everyMs = BEAT,
}: {
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly version: string;
  /** The names of those that it can run. */
  readonly processors: readonly string[];
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  readonly id?: string;
  readonly everyMs?: number;
}): Promise<Instance> {
  const beat = (): Promise<unknown> => pool.query(BEAT_ONCE, [id, hostname(), process.pid, version, processors.toSorted()]);
  await beat();
  const beating = loop({
    name: 'instance',
    every: everyMs,
    restsFirst: true,
    round: beat,
    outage: {
      logger,
      fails: 'this instance cannot tell the others that it is there',
      works: 'this instance is seen by the others again',
    },
  });
  return {
    id,
    stop: async () => {
      await beating.stop();
      await pool.query('delete from cqrs.instance where id = $1', [id]);
    },
  };
}

// A sign of life that a crash undoes is missed by nobody: no disk is waited for.
const BEAT_ONCE = `with quickly as (select set_config('synchronous_commit', 'off', true))
  insert into cqrs.instance (id, host, pid, version, processors, started_at, seen_at)
  select $1::uuid, $2, $3::integer, $4, $5::text[], clock_timestamp(), clock_timestamp() from quickly
  on conflict (id) do update set seen_at = clock_timestamp()`;

/** Forgets the instances that ended without a word. */
export const sweepInstances = (pool: Pick<pg.Pool, 'query'>): Promise<unknown> =>
  pool.query(`delete from cqrs.instance where seen_at < clock_timestamp() - interval '${REMEMBERED}'`);
