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
  const copy: object = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value));
  known.set(value, copy);
  for (const key of Object.keys(value)) Reflect.set(copy, key, copied(Reflect.get(value, key), known));
  return copy;
}
