import { type EntityMetadata, ReferenceKind } from '@mikro-orm/core';

/**
 * Has entities hold plain values in plain properties. MikroORM gives each entity a getter and a setter of its own for each property, which for a plain value
 * only pass it on; that costs a third of all that MikroORM does for a command. References keep theirs, by which both sides know of each other.
 */
export function holdPlainValues({ props, prototype }: EntityMetadata): void {
  for (const { name, kind } of props) {
    const own = Object.getOwnPropertyDescriptor(prototype, name);
    if (kind === ReferenceKind.SCALAR && own?.set && !own.get) delete (prototype as Record<string, unknown>)[name];
  }
}
