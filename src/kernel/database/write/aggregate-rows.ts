import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type pg from 'pg';
import type { AggregateSql } from './aggregate-sql.ts';
import type { AggregateType } from './aggregate-type.ts';
import { OrmSession } from './orm-session.ts';

type Client = Pick<pg.ClientBase, 'query'>;

/** The rows of all aggregates of a type, page by page: what projections of rows are made anew from. Clients have to parse as `ormTypes`. */
export class AggregateRows {
  readonly #type: AggregateType<object>;
  readonly #sql: AggregateSql;
  readonly #fork: () => SqlEntityManager;

  constructor(type: AggregateType<object>, sql: AggregateSql, fork: () => SqlEntityManager) {
    this.#type = type;
    this.#sql = sql;
    this.#fork = fork;
  }

  /** As `written`, for a statement in which `input` has ids as `aggregate_id`. */
  get written(): string {
    return this.#sql.writtenByInput;
  }

  async count(client: Client): Promise<number> {
    const { rows } = await client.query<{ count: string }>(this.#sql.count);
    return Number(rows[0]?.count ?? 0);
  }

  /** Ids in their order: at most so many behind that one. */
  async idsBehind(client: Client, id: string, most: number): Promise<string[]> {
    const { rows } = await client.query<{ id: string }>(this.#sql.idsBehind, [id, most]);
    return rows.map((row) => row.id);
  }

  /** Those aggregates, as a command loads them. */
  async load(client: Client, ids: readonly string[]): Promise<{ readonly id: string; readonly aggregate: object }[]> {
    const found = await this.#find(client, ids);
    return found.map((aggregate) => ({ id: this.#type.id(aggregate), aggregate }));
  }

  async #find(client: Client, ids: readonly string[]): Promise<object[]> {
    const manager = this.#fork();
    const { tree, keyProperty, selectAll } = this.#sql;
    if (tree) {
      const session = new OrmSession(manager, (text, values) => client.query(text, [...values]));
      return session.loadAll(this.#type, tree, { [keyProperty]: { $in: ids } });
    }
    const { rows } = await client.query(selectAll, [ids]);
    return rows.map((row) => manager.map(this.#type.mapping, row) as object);
  }
}
