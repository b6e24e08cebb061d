import { type AnyEntity, type Configuration, type EntityData, isRaw, type QueryResult } from '@mikro-orm/core';
import { PostgreSqlConnection, PostgreSqlDriver } from '@mikro-orm/postgresql';
import { WriteTransaction } from './write-transaction.ts';

type Rows = QueryResult | EntityData<AnyEntity> | EntityData<AnyEntity>[];
type Execute = PostgreSqlConnection['execute'];

const WRITES = new Set(['INSERT', 'UPDATE', 'DELETE']);

/**
 * Sends MikroORM's statements on the unit of work's transaction, with bound parameters. MikroORM 7 itself writes values into the
 * text of a statement, from where they reach server logs and traces, and where no prepared statement can be shared.
 */
class BindingConnection extends PostgreSqlConnection {
  readonly #texts = new Map<string, string>();

  override async execute<T extends Rows = EntityData<AnyEntity>[]>(
    query: Parameters<Execute>[0],
    params: Parameters<Execute>[1] = [],
    method: 'all' | 'get' | 'run' = 'all',
    transaction?: Parameters<Execute>[3],
  ): Promise<T> {
    if (typeof query !== 'string' || !Array.isArray(params))
      throw new TypeError('expected a statement with positional parameters');
    if (!((transaction as unknown) instanceof WriteTransaction)) throw new TypeError('the ORM works inside a unit of work only');

    const { text, values } = this.#bind(query, params);
    return this.executeQuery<T>(query, async () => {
      const { rows, rowCount, command } = await (transaction as WriteTransaction).query(text, values);
      const result = { rows, ...(WRITES.has(command) ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) };
      return this.transformRawResult(result as never, method) as T;
    });
  }

  /** `?` becomes `$n`; a raw fragment such as `version + 1` is text and stays in its place. */
  #bind(query: string, params: readonly unknown[]): { text: string; values: unknown[] } {
    const isPlain = !params.some(isRaw);
    const known = isPlain ? this.#texts.get(query) : undefined;
    if (known !== undefined) return { text: known, values: params.map(toParameter) };

    const values: unknown[] = [];
    let next = 0;
    const text = query.replace(/\?/g, () => {
      const value = params[next++];
      if (isRaw(value)) return this.platform.formatQuery(value.sql, value.params);
      values.push(toParameter(value));
      return `$${values.length}`;
    });
    if (isPlain && this.#texts.size < 1000) this.#texts.set(query, text);
    return { text, values };
  }
}

function toParameter(value: unknown): unknown {
  return value instanceof Date ? value.toISOString() : value;
}

/** MikroORM's PostgreSQL driver over our own transactions. It opens no connection itself. */
export class BindingDriver extends PostgreSqlDriver {
  constructor(config: Configuration) {
    super(config);
    // What the super constructor made is lazy and never opened.
    Object.assign(this, { connection: new BindingConnection(config), replicas: [] });
  }
}
