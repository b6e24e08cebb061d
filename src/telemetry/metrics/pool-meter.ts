import type { PoolMeter } from '../../postgres/pool.ts';
import { sqlState } from '../../postgres/sql-errors.ts';
import type { Instruments } from './instruments.ts';

/** Measures the waits and statements of the pool of that name. */
export function poolMeter({ poolWaitSeconds, statementSeconds, statementErrors }: Instruments, pool: string): PoolMeter {
  return {
    waited: (seconds) => poolWaitSeconds.observe({ labels: { pool }, value: seconds }),
    statement: (statement, seconds, error) => {
      statementSeconds.observe({ labels: { pool, statement }, value: seconds });
      if (error) statementErrors.inc({ pool, sqlstate: sqlState(error) ?? 'connection' });
    },
  };
}
