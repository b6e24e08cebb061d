import { type CompiledQuery, DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';

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

/** What the text of a statement depends on: which filters there are, which order. Each has few values. */
type Shape<Of> = { readonly [Name in keyof Of]: string | boolean | undefined };

/** A statement that is not compiled yet. */
interface Written<Row> {
  readonly compile: () => CompiledQuery<Row>;
}

/** Stands in a statement for the value of a call. */
class Place<Values> {
  readonly name: keyof Values;

  constructor(name: keyof Values) {
    this.name = name;
  }

  static fill<Values>(parameter: unknown, values: Values): unknown {
    return parameter instanceof Place ? values[parameter.name as keyof Values] : parameter;
  }
}

/**
 * A statement of several shapes, such as a list with filters: it is written and compiled once for each of them, when that is wanted for the first time, and
 * gets the values of each call. `value` names them where they stand in the statement.
 *
 * ```ts
 * const page = shapedStatement<{ byStatus: boolean }, { status: string; most: number }, OrderRow>(({ byStatus }, value) => {
 *   const rows = statements.selectFrom('read.order').select(['id', 'total']).orderBy('id').limit(value('most'));
 *   return byStatus ? rows.where('status', '=', value('status')) : rows;
 * });
 * const rows = await read.page(page({ byStatus: true }, { status: 'paid', most: 51 }), 51);
 * ```
 */
export function shapedStatement<Of extends Shape<Of>, Values extends object, Row>(
  write: (shape: Of, value: <Name extends keyof Values>(name: Name) => NonNullable<Values[Name]>) => Written<Row>,
): (shape: Of, values: Values) => CompiledQuery<Row> {
  const compiled = new Map<string, CompiledQuery<Row>>();
  const place = (name: keyof Values): never => new Place<Values>(name) as never;
  return (shape, values) => {
    const key = Object.values(shape).join(' ');
    const statement = compiled.get(key) ?? write(shape, place).compile();
    compiled.set(key, statement);
    const parameters = statement.parameters.map((parameter) => Place.fill(parameter, values));
    return { ...statement, parameters };
  };
}
