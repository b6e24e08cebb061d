import type pg from 'pg';
import { type FieldMessage, prepareValue, type WireConnection } from '../pg-internals.ts';
import { sqlState } from '../sql-errors.ts';

/** A column of what a prepared statement returns. */
interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** What the rows are of the statements that a connection has prepared, by the text; undefined until the server has said it. */
const prepared = new WeakMap<pg.ClientBase, Map<string, readonly Column[] | undefined>>();

/** invalid_sql_statement_name */
const NO_STATEMENT = '26000';

/** The connection has not prepared the statement after all: sent again, it does. */
export class Unprepared extends Error {}

/**
 * Runs a statement that its connection prepares once, and asks what its rows are only then: `pg` asks for that with every execution, which for
 * one short row is more to send, to read and to keep than the row is (`npm run bench -- get-user`).
 */
export class PreparedRead<Row> implements pg.Submittable {
  /** As logs, traces and metrics see it. */
  readonly text: string;
  readonly done: Promise<Row[]>;
  readonly #name: string;
  readonly #values: readonly (string | Buffer | null)[];
  readonly #client: pg.ClientBase;
  readonly #settle: PromiseWithResolvers<Row[]> = Promise.withResolvers();
  readonly #known: Map<string, readonly Column[] | undefined>;
  readonly #rows: Row[] = [];
  #error: unknown;

  /** `name` is that of the prepared statement. */
  constructor(client: pg.ClientBase, { name, text, values }: { name: string; text: string; values: readonly unknown[] }) {
    this.text = text;
    this.done = this.#settle.promise;
    this.#name = name;
    this.#values = values.map((value) => prepareValue(value));
    this.#client = client;
    this.#known = prepared.get(client) ?? new Map();
    prepared.set(client, this.#known);
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as WireConnection;
    wire.stream.cork();
    if (!this.#known.has(this.text)) {
      this.#known.set(this.text, undefined);
      // What an attempt before it prepared, of which the answer did not come.
      wire.close({ type: 'S', name: this.#name });
      wire.parse({ name: this.#name, text: this.text });
      wire.describe({ type: 'S', name: this.#name });
    }
    wire.bind({ statement: this.#name, values: this.#values });
    wire.execute({});
    wire.sync();
    wire.stream.uncork();
  }

  handleRowDescription({ fields }: { fields: readonly FieldMessage[] }): void {
    const columns = fields.map(({ name, dataTypeID }) => ({ name, parse: this.#client.getTypeParser(dataTypeID) }));
    this.#known.set(this.text, columns);
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    if (this.#error) return;
    try {
      const columns = this.#known.get(this.text);
      // The statement that prepared it for this one as well was stopped on the way.
      if (!columns) throw new Unprepared();
      this.#rows.push(rowOf(columns, fields) as Row);
    } catch (error) {
      this.#error = error;
    }
  }

  handleReadyForQuery(): void {
    if (this.#error) this.handleError(this.#error);
    else this.#settle.resolve(this.#rows);
  }

  handleError(error: unknown): void {
    const isUnprepared = error instanceof Unprepared || sqlState(error) === NO_STATEMENT;
    if (isUnprepared || !this.#known.get(this.text)) this.#known.delete(this.text);
    this.#settle.reject(isUnprepared ? new Unprepared() : error);
  }

  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}

function rowOf(columns: readonly Column[], fields: readonly (string | null)[]): object {
  const row: Record<string, unknown> = {};
  for (let place = 0; place < columns.length; place += 1) {
    const { name, parse } = columns[place] as Column;
    const text = fields[place] ?? null;
    row[name] = text === null ? null : parse(text);
  }
  return row;
}
