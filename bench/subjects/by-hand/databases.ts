import pg from 'pg';

/** As many connections to each database as the service has. */
const POOL_SIZE = 10;

/** The databases that a subject by hand uses, from the environment that the service takes, too. */
export function databasesByHand(environment: NodeJS.ProcessEnv): { primary: pg.Pool; replica: pg.Pool } {
  const pool = (url: string | undefined): pg.Pool => new pg.Pool({ connectionString: url ?? '', max: POOL_SIZE });
  return { primary: pool(environment.DATABASE_URL), replica: pool(environment.DATABASE_REPLICA_URLS) };
}
