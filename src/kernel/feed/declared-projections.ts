import type { AggregateType } from '../database/write/aggregate-type.ts';

/** A projection as a module declares it. */
export interface DeclaredProjection {
  readonly name: string;
  readonly module: string;
  /** `inline`: written in the transaction of each command. `async`: written behind it, from the feed. */
  readonly kind: 'inline' | 'async';
  /** Those that a rebuild makes again. */
  readonly tables: readonly string[];
  readonly isRebuildable: boolean;
}

/** Every projection of these modules, by its name. */
export function declaredProjections(
  modules: readonly { readonly name: string; readonly aggregates?: readonly AggregateType<never>[] }[],
): ReadonlyMap<string, DeclaredProjection> {
  const declared = modules.flatMap(({ name: module, aggregates = [] }) =>
    aggregates
      .flatMap(({ projections }) => projections)
      .map(({ name }): DeclaredProjection => ({ name, module, kind: 'inline', tables: [], isRebuildable: false })),
  );
  return new Map(declared.map((projection) => [projection.name, projection]));
}
