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

/** The mappings of what belongs to an aggregate beside its root, those of tables that join it to others included. */
export function partMappings(
  root: EntityMetadata,
  mappingOf: (name: EntityProperty['pivotEntity']) => EntityMetadata,
): EntityMetadata[] {
  const found = new Set<EntityMetadata>([root]);
  const look = ({ relations }: EntityMetadata): void => {
    for (const { kind, targetMeta, owner, pivotEntity } of relations) {
      const part =
        kind === ReferenceKind.MANY_TO_MANY && owner ? mappingOf(pivotEntity) : OWNED.has(kind) ? targetMeta : undefined;
      if (!part || found.has(part)) continue;
      found.add(part);
      if (!part.pivotTable) look(part);
    }
  };
  look(root);
  found.delete(root);
  return [...found];
}

/** The columns of an entity's own table. */
export const columnsOf = ({ props }: EntityMetadata): string[] => [
  ...new Set(props.filter(hasColumns).flatMap(({ fieldNames }) => fieldNames)),
];

/** Whether a property is kept in columns of its entity's own table. */
export function hasColumns({ kind, persist, fieldNames, object, mappedBy }: EntityProperty): boolean {
  if (persist === false || !(fieldNames?.length > 0)) return false;
  if (kind === ReferenceKind.EMBEDDED) return object === true;
  return kind === ReferenceKind.SCALAR || kind === ReferenceKind.MANY_TO_ONE || (kind === ReferenceKind.ONE_TO_ONE && !mappedBy);
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
