import type { AggregateType } from '../database/write/aggregate-type.ts';
import type { Projection, ProjectionTables } from './projection.ts';

/** A projection as a module declares it. */
export interface DeclaredProjection {
  readonly name: string;
  readonly module: string;
  /** `inline`: written in the transaction of each command. `async`: written behind it, from the feed. */
  readonly kind: 'inline' | 'async';
  /** Those that a rebuild makes again: without them, it cannot be rebuilt. */
  readonly tables: readonly string[];
}

/** Every projection of these modules, by its name. */
export function declaredProjections(
  modules: readonly {
    readonly name: string;
    readonly aggregates?: readonly AggregateType<never>[];
    readonly projections?: readonly Projection[];
  }[],
): ReadonlyMap<string, DeclaredProjection> {
  const declared = modules.flatMap(({ name: module, aggregates = [], projections = [] }) => [
    ...aggregates.flatMap((type) => type.projections.map((projection) => declaredAs('inline', module, projection))),
    ...projections.map((projection) => declaredAs('async', module, projection)),
  ]);
  return new Map(declared.map((projection) => [projection.name, projection]));
}

const declaredAs = (
  kind: DeclaredProjection['kind'],
  module: string,
  { name, tables = {} }: { readonly name: string; readonly tables?: ProjectionTables },
): DeclaredProjection => ({ name, module, kind, tables: Object.values(tables) });
