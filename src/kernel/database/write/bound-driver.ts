import {
  type Configuration,
  type Dictionary,
  type DriverException,
  type EntityData,
  type QueryResult,
  type RawQueryFragment,
  raw,
  type Transaction,
} from '@mikro-orm/core';
import { NativeQueryBuilder, PostgreSqlConnection, PostgreSqlDriver, type PostgreSqlPlatform } from '@mikro-orm/postgresql';
import { CompiledQuery, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type pg from 'pg';
import { boundStatement } from './bound-statement.ts';

/** Sends a statement in the transaction of a command. */
export type SendInTransaction = (text: string, values: readonly unknown[]) => Promise<pg.QueryResult>;

/** What MikroORM takes for its transaction, and hands out by `getKysely`: the transaction of the command. */
export function ormTransaction(send: SendInTransaction): Kysely<unknown> {
  const connection = {
    async executeQuery<Row>({ sql, parameters }: CompiledQuery) {
      const { command, rowCount, rows } = await send(sql, parameters);
      const changes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE';
      return { rows: rows as Row[], ...(changes && { numAffectedRows: BigInt(rowCount ?? 0) }) };
    },
    streamQuery(): never {
      throw new Error('a command reads no stream');
    },
  };
  return new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createDriver: () => ({
        init: async () => {},
        acquireConnection: async () => connection,
        beginTransaction: ownsNone,
        commitTransaction: ownsNone,
        rollbackTransaction: ownsNone,
        releaseConnection: async () => {},
        destroy: async () => {},
      }),
    },
  });
}

async function ownsNone(): Promise<never> {
  throw new Error('the transaction is that of the command, which begins and ends it');
}

/** A part of the command's transaction that can be undone by itself: what `em.transactional` makes. */
interface Savepoint {
  readonly kysely: Kysely<unknown>;
  readonly name: string;
}

/** MikroORM's connection for commands: it has none of its own, and sends bound statements in the transaction that it is given. */
class BoundConnection extends PostgreSqlConnection {
  #savepoints = 0;
  readonly #named = new WeakMap<object, Savepoint>();

  override async connect(): Promise<void> {
    this.connected = true;
  }

  override async execute<T extends QueryResult | EntityData<object> | EntityData<object>[]>(
    query: string | NativeQueryBuilder | RawQueryFragment,
    params: readonly unknown[] | Dictionary<unknown> = [],
    method: 'all' | 'get' | 'run' = 'all',
    transaction?: Transaction,
  ): Promise<T> {
    const { sql, parameters } = rawQuery(query, params);
    const { text, values } = boundStatement(this.platform as unknown as PostgreSqlPlatform, sql, parameters);
    const result = await within(transaction).executeQuery(CompiledQuery.raw(text, values as unknown[]));
    return this.transformRawResult(result as never, method) as T;
  }

  override async *stream<T extends EntityData<object>>(
    query: string | NativeQueryBuilder | RawQueryFragment,
    params?: readonly unknown[] | Dictionary<unknown>,
    transaction?: Transaction,
  ): AsyncIterableIterator<T> {
    yield* await this.execute<T[]>(query, params, 'all', transaction);
  }

  /** Inside of a command there is a transaction already, so this is a savepoint. */
  override async begin({ ctx }: { ctx?: Transaction } = {}): Promise<never> {
    const outer = within(ctx);
    this.#savepoints += 1;
    const name = `part_${this.#savepoints}`;
    await outer.executeQuery(CompiledQuery.raw(`savepoint ${name}`));
    const part = outer.withoutPlugins();
    this.#named.set(part, { kysely: outer, name });
    return part as never;
  }

  override async commit(transaction: object): Promise<void> {
    await this.#end(transaction, (name) => `release savepoint ${name}`);
  }

  override async rollback(transaction: object): Promise<void> {
    await this.#end(transaction, (name) => `rollback to savepoint ${name}`);
  }

  async #end(transaction: object, statement: (name: string) => string): Promise<void> {
    const part = this.#named.get(transaction);
    if (!part) return void (await ownsNone());
    await part.kysely.executeQuery(CompiledQuery.raw(statement(part.name)));
  }
}

function within(transaction: Transaction | undefined): Kysely<unknown> {
  if (!transaction) throw new Error('MikroORM was asked outside of a command: use the manager of its unit of work');
  return transaction as Kysely<unknown>;
}

function rawQuery(
  query: string | NativeQueryBuilder | RawQueryFragment,
  params: readonly unknown[] | Dictionary<unknown>,
): { sql: string; parameters: readonly unknown[] } {
  if (typeof query === 'string' && Array.isArray(params)) return { sql: query, parameters: params };
  const fragment =
    typeof query === 'string'
      ? raw(query, params as Dictionary<unknown>)
      : query instanceof NativeQueryBuilder
        ? query.toRaw()
        : query;
  return { sql: fragment.sql, parameters: fragment.params };
}

/** MikroORM's driver for commands: what it loads and flushes goes through their transactions, and no value is in the text. */
export class BoundDriver extends PostgreSqlDriver {
  constructor(config: Configuration) {
    super(config);
    Object.assign(this, { connection: new BoundConnection(config), replicas: [] });
  }

  /** MikroORM adds to the message what PostgreSQL says of the row: the values of its columns. */
  override convertException(exception: Error & { detail?: string; hint?: string }): DriverException {
    const { detail, hint } = exception;
    Object.assign(exception, { detail: undefined, hint: undefined });
    const converted = super.convertException(exception);
    Object.assign(exception, { detail, hint });
    return converted;
  }
}
