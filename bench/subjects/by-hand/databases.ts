import pg from 'pg';
import { READS } from '../../../src/kernel/database/pool.ts';

/** As many connections to each database as the service has. */
const POOL_SIZE = 10;

/** The databases that a subject by hand uses, from the environment that the service takes, too. */
export function databasesByHand(environment: NodeJS.ProcessEnv): { primary: pg.Pool; replica: pg.Pool } {
  const pool = (url: string | undefined, options = ''): pg.Pool =>
    new pg.Pool({ connectionString: url ?? '', max: POOL_SIZE, options });
  // Without them the planner would at times read tables from one end to the other, and the floor be lower than the best possible.
  const reads = Object.entries(READS).map(([name, value]) => `-c ${name}=${value}`);
  return { primary: pool(environment.DATABASE_URL), replica: pool(environment.DATABASE_REPLICA_URLS, reads.join(' ')) };
}
