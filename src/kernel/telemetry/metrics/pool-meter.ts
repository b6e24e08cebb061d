import type { PoolMeter } from '../../database/pool.ts';
import { sqlState } from '../../database/sql-errors.ts';
import type { Series } from './bound-histogram.ts';
import type { Instruments } from './instruments.ts';

/** Measures the waits and statements of the pool of that name. */
export function poolMeter({ poolWaitSeconds, statementSeconds, statementErrors }: Instruments, pool: string): PoolMeter {
  const waits = poolWaitSeconds.series({ pool });
  const statements = new Map<string, Series>();
  const seriesOf = (statement: string): Series => {
    const series = statementSeconds.series({ pool, statement });
    statements.set(statement, series);
    return series;
  };
  return {
    waited: (seconds) => waits.observe(seconds),
    statement: (statement, seconds, error) => {
      (statements.get(statement) ?? seriesOf(statement)).observe(seconds);
      if (error) statementErrors.inc({ pool, sqlstate: sqlState(error) ?? 'connection' });
    },
  };
}
