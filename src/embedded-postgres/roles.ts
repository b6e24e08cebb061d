import { administer } from './administer.ts';
import type { ConnectionSettings } from './connection-settings.ts';

export const DATABASE = 'bicameral';
export const OWNER = 'bicameral_owner';
export const WRITER = 'bicameral_writer';
export const READER = 'bicameral_reader';

const ROLES = `
do $$
declare
  role text;
begin
  foreach role in array array['${OWNER}', '${WRITER}', '${READER}'] loop
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I', role);
    end if;
    execute format('alter role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role);
    -- The detail of a violated constraint holds the values, which are personal data: it does not go to the log.
    execute format('alter role %I set log_error_verbosity = terse', role);
  end loop;
  alter role ${READER} set default_transaction_read_only = on;
end
$$`;

/**
 * Makes the roles and the empty database where they are missing, and returns whether the database was missing.
 * What the roles may do in it is for the migrations to say.
 */
export async function ensureRolesAndDatabase(superuser: ConnectionSettings): Promise<boolean> {
  return await administer(superuser, async (client) => {
    await client.query(ROLES);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE} owner ${OWNER}`);
    await client.query(`revoke all on database ${DATABASE} from public`);
    await client.query(`grant connect on database ${DATABASE} to ${WRITER}, ${READER}`);
    return rowCount === 0;
  });
}
