import { types } from 'node:util';

/**
 * A copy of a value with everything that it holds, down to the last: objects keep their prototypes, and what is held twice is held twice
 * by the copy. No constructor is called, as none is when an aggregate is loaded.
 */
export function deepCopy<T>(value: T): T {
  return copied(value, new Map()) as T;
}

function copied(value: unknown, known: Map<object, object>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const earlier = known.get(value);
  if (earlier) return earlier;
  if (types.isDate(value)) return new Date(value.getTime());
  if (types.isTypedArray(value)) return Uint8Array.prototype.slice.call(value);
  if (types.isMap(value)) return new Map([...value].map(([key, item]) => [copied(key, known), copied(item, known)]));
  if (types.isSet(value)) return new Set([...value].map((item) => copied(item, known)));
  if (isCollection(value)) {
    // What it holds is in #private fields: it is made anew, of copies.
    const owner = copied(value.owner, known) as object;
    const made =
      known.get(value) ?? new (value.constructor as CollectionClass)(owner, copied(value.getItems(false), known) as object[]);
    known.set(value, made);
    return made;
  }
  const copy: object = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value));
  known.set(value, copy);
  for (const key of Object.keys(value)) {
    // Defined, so that no setter of a mapping puts it elsewhere too.
    const property = { value: copied(Reflect.get(value, key), known), writable: true, enumerable: true, configurable: true };
    Object.defineProperty(copy, key, property);
  }
  return copy;
}

/** A collection of MikroORM, told without loading MikroORM. */
interface CollectionLike {
  readonly owner: object;
  readonly getItems: (check: false) => readonly object[];
}
type CollectionClass = new (owner: object, items: object[]) => object;

const isCollection = (value: object): value is CollectionLike =>
  'getItems' in value && 'isInitialized' in value && 'owner' in value;
