import { createHash } from 'node:crypto';
import { type AggregateType, type InlineProjection, statementOf } from '../../database/write/aggregate-type.ts';
import { type Projection, type ProjectionTables, projectionDigest } from '../projection.ts';

/** A projection whose tables can be made anew, by what they are made of. */
export type Rebuildable = RebuildableOfEvents | RebuildableOfRows;

interface Common {
  readonly name: string;
  /** Its tables, with their schema. */
  readonly tables: readonly string[];
  /** Tells two forms of it apart. */
  readonly definition: string;
}

/** A fold of events. */
export interface RebuildableOfEvents extends Common {
  readonly of: 'events';
  readonly projection: Projection;
  /** Whether it is kept by commands, and whose events it takes then. */
  readonly inline: { readonly aggregates: readonly string[] } | undefined;
}

/** What aggregates are now. */
export interface RebuildableOfRows extends Common {
  readonly of: 'rows';
  readonly projection: InlineProjection<object>;
  readonly type: AggregateType<object>;
}

/** The projections of these modules that can be made anew, by their names. Throws when one says that it can, and cannot. */
export function rebuildables(
  modules: readonly { readonly aggregates?: readonly AggregateType<never>[]; readonly projections?: readonly Projection[] }[],
): ReadonlyMap<string, Rebuildable> {
  const found = new Map<string, Rebuildable>();
  for (const { aggregates = [], projections = [] } of modules) {
    for (const projection of projections) found.set(projection.name, ofEvents(projection, undefined));
    for (const type of aggregates as unknown as readonly AggregateType<object>[]) {
      for (const projection of type.projections) {
        const { name } = projection;
        if ('statements' in projection) {
          const known = found.get(name);
          const others = known?.of === 'events' ? (known.inline?.aggregates ?? []) : [];
          found.set(name, ofEvents(projection, { aggregates: [...others, type.name] }));
        } else if (projection.tables) found.set(name, ofRows(projection, type));
      }
    }
  }
  return found;
}

const ofEvents = (projection: Projection, inline: RebuildableOfEvents['inline']): RebuildableOfEvents => ({
  of: 'events',
  name: projection.name,
  tables: Object.values(projection.tables),
  definition: projectionDigest(projection),
  projection,
  inline,
});

function ofRows(projection: InlineProjection<object>, type: AggregateType<object>): RebuildableOfRows {
  const { name, tables = {}, statement, reads = [] } = projection;
  if (typeof statement === 'string' || reads.length > 0)
    throw new Error(
      `the projection ${name} names its tables and cannot be rebuilt: its statement has to be a function of them, and to read \`written\` alone`,
    );
  const text = statementOf(projection).replaceAll(/\s+/g, ' ').trim();
  const definition = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { of: 'rows', name, tables: Object.values(tables), definition, projection, type };
}

/** The same tables where they are made anew. */
export const beside = (tables: ProjectionTables): ProjectionTables =>
  Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.replace(/^read\./i, 'rebuild.')]));
