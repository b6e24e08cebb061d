import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';

/**
 * A Kysely that writes statements and runs none: read models are queried with its types, compiled (once, where the statement does
 * not vary) and run by a `Reader`.
 *
 * ```ts
 * const statements = readStatements<{ 'read.order': { id: string; total: number } }>();
 * const byId = statements.selectFrom('read.order').select(['id', 'total']).where('id', '=', '').compile();
 * ```
 */
export function readStatements<Database>(): Kysely<Database> {
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}
