import { createHash } from 'node:crypto';
import type { DescMessage } from '@bufbuild/protobuf';

/** The tables of a projection, with their schemas, by the names that its statements know them by. */
export type ProjectionTables = Readonly<Record<string, string>>;

/**
 * A read model that is made of events alone: which it takes, and what they do to its tables.
 *
 * The same body is kept in two ways. *Inline*, listed in the `projections` of an aggregate, it is part of the statement that stores the
 * command. *Async*, listed in the `projections` of a module, it follows the feed, and its rows commit together with how far it has come.
 *
 * Each part of its statement reads `events`: those of the types it takes, of one command or of thousands of commands. Its columns are `position`
 * (they are in this order), `id`, `type`, `data` (jsonb: the event as ProtoJSON), `aggregate_type`, `aggregate_id`, `aggregate_version`,
 * `command_id` and `occurred_at`. Rows change as a set: several events of one aggregate may come at once, and the statement has to come to the same as
 * if they had come one by one. A part also reads, by their names, the parts before it that return rows.
 */
export interface Projection {
  /** Names the projection, its processor and its parts, in snake_case. */
  readonly name: string;
  /** The types of events that it takes. */
  readonly events: readonly DescMessage[];
  /** Everything that its statements write. A migration of the module makes them; a rebuild makes them anew and fills them. */
  readonly tables: ProjectionTables;
  /** False where no statement reads `events.data`: nothing is decoded then, and the events of an async projection never leave the database. */
  readonly data?: boolean;
  /** Async: how many processors share its events, by their aggregates. One by default. */
  readonly partitions?: number;
  /** The parts of its statement by their names, in their order, for tables by these names. */
  readonly statements: (tables: ProjectionTables) => Readonly<Record<string, string>>;
}

/** A projection as it is written: `statements` is given the tables that it declares. */
export type ProjectionDefinition<Tables extends ProjectionTables> = Omit<Projection, 'tables' | 'statements'> & {
  readonly tables: Tables;
  readonly statements: (tables: { readonly [Name in keyof Tables]: string }) => Readonly<Record<string, string>>;
};

/**
 * Declares a projection: `src/modules/<module>/projections/<name>.ts`. Throws when its names or its statements cannot be part of a statement.
 *
 * ```ts
 * export const productSales = projection({
 *   name: 'product_sales',
 *   events: [StockTakenSchema],
 *   tables: { sales: 'read.product_sales' },
 *   statements: ({ sales }) => ({
 *     sold: `insert into ${sales} as row (product_id, sold)
 *       select aggregate_id, sum((data ->> 'quantity')::integer) from events group by aggregate_id
 *       on conflict (product_id) do update set sold = row.sold + excluded.sold`,
 *   }),
 * });
 * ```
 */
export function projection<const Tables extends ProjectionTables>(definition: ProjectionDefinition<Tables>): Projection {
  const made = definition as unknown as Projection;
  const problems = problemsOf(made);
  if (problems.length > 0) throw new Error(`the projection ${definition.name} cannot be used: ${problems.join('; ')}`);
  return made;
}

/** A part of a statement, to stand in its WITH. */
export interface ProjectionPart {
  readonly name: string;
  readonly text: string;
}

/**
 * The parts by which a projection keeps its tables, for a statement that has `events` before them. Each sees the events of its types alone, and
 * goes by a name that no other projection has. `tables`: others than its own, of the same form.
 */
export function projectionParts(projection: Projection, tables = projection.tables): readonly ProjectionPart[] {
  const types = projection.events.map(({ typeName }) => `'${typeName}'`).join(', ');
  const seen = [`events as (select * from events where type in (${types}))`];
  return Object.entries(projection.statements(tables)).map(([part, statement]) => {
    const name = `${projection.name}__${part}`;
    const text = `with ${seen.join(', ')} ${statement}`;
    if (returnsRows(statement)) seen.push(`${part} as (select * from ${name})`);
    return { name, text };
  });
}

/** Tells two forms of a projection apart: what was folded by one is not what the other would have made. White space does not count. */
export function projectionDigest({ events, tables, statements }: Projection): string {
  const parts = Object.entries(statements(tables)).map(([name, text]) => [name, text.replaceAll(/\s+/g, ' ').trim()]);
  const form = JSON.stringify([events.map(({ typeName }) => typeName).toSorted(), parts]);
  return createHash('sha256').update(form).digest('hex').slice(0, 16);
}

/** Of the parts of a statement, PostgreSQL lets only those be read that return something. */
const returnsRows = (statement: string): boolean =>
  !/^\s*(insert|update|delete|merge)\b/i.test(statement) || /\breturning\b/i.test(statement);

/** Two of these and what stands between them are a name that PostgreSQL does not cut off. */
const LONGEST_NAME = 30;
const isName = (name: string): boolean => name.length <= LONGEST_NAME && /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name);

function problemsOf(projection: Projection): string[] {
  const { name, events, tables, partitions = 1, statements } = projection;
  const parts = Object.entries(statements(tables));
  const named = [name, ...parts.map(([part]) => part)].filter((text) => !isName(text));
  return [
    ...named.map((text) => `${JSON.stringify(text)} has to be in snake_case, of at most ${LONGEST_NAME} characters`),
    ...(events.length === 0 ? ['it takes no events'] : []),
    ...(parts.length === 0 ? ['it has no statement'] : []),
    ...(Number.isInteger(partitions) && partitions >= 1 ? [] : ['`partitions` has to be a whole number from 1 on']),
    ...Object.entries(tables)
      .filter(([, table]) => !/^\w+\.\w+$/.test(table))
      .map(([, table]) => `the table ${table} has to be named with its schema`),
    ...parts.flatMap(([part, text]) => partProblems(part, text)),
  ];
}

function partProblems(part: string, text: string): string[] {
  return [
    ...(part === 'events' ? ['no part can be called events'] : []),
    ...(/^\s*with\b/i.test(text) ? [`${part} begins with WITH: make what stands there parts of their own`] : []),
    ...(/\$\d/.test(text) ? [`${part} has a parameter: a projection has nothing but events and tables`] : []),
    ...(/;\s*$/.test(text) ? [`${part} ends with a semicolon`] : []),
  ];
}
