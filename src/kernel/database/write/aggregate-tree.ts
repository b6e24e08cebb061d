import { type Collection, type EntityMetadata, type EntityProperty, Reference, ReferenceKind, Utils } from '@mikro-orm/core';

/** Whether an aggregate is more than the scalar columns of one row, so that MikroORM has to load and flush it. */
export function isTree(root: EntityMetadata): boolean {
  return root.props.some(({ kind }) => kind !== ReferenceKind.SCALAR);
}

/**
 * What belongs to an aggregate of several tables, by its mapping: the collections and the one-to-one partners of its root, and theirs in
 * turn. What a many-to-one property or a many-to-many collection names is another aggregate, of which this one knows the id.
 */
export class AggregateTree {
  /** What is loaded with the root. */
  readonly populate: readonly string[];

  constructor(root: EntityMetadata, populate?: readonly string[]) {
    this.populate = populate ?? ownedPaths(root, new Set());
  }

  /** The root and, as far as they are loaded, its parts. */
  partsOf(root: object): ReadonlySet<object> {
    const parts = new Set<object>();
    collect(root, parts);
    return parts;
  }
}

const OWNED: ReadonlySet<ReferenceKind> = new Set([ReferenceKind.ONE_TO_MANY, ReferenceKind.ONE_TO_ONE]);

function ownedPaths({ class: own, relations }: EntityMetadata, above: ReadonlySet<unknown>): string[] {
  const here = new Set([...above, own]);
  return relations.flatMap((property) => {
    if (property.kind === ReferenceKind.MANY_TO_MANY) return [property.name];
    if (!OWNED.has(property.kind) || !property.targetMeta || here.has(property.targetMeta.class)) return [];
    return [property.name, ...ownedPaths(property.targetMeta, here).map((path) => `${property.name}.${path}`)];
  });
}

function collect(entity: object, parts: Set<object>): void {
  if (parts.has(entity)) return;
  parts.add(entity);
  for (const property of relationsOf(entity)) {
    if (!OWNED.has(property.kind)) continue;
    for (const part of valuesOf((entity as Record<string, unknown>)[property.name])) collect(part, parts);
  }
}

/** Every entity carries its metadata from when its class was discovered. */
const relationsOf = (entity: object): readonly EntityProperty[] =>
  (entity as { __meta?: EntityMetadata }).__meta?.relations ?? [];

function valuesOf(value: unknown): readonly object[] {
  if (Utils.isCollection(value)) return (value as Collection<object>).getItems(false);
  const one = Reference.unwrapReference(value as object);
  return Utils.isEntity(one) ? [one as object] : [];
}
