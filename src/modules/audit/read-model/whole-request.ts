import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/**
 * The request as it was sent, but for secrets: what was personal in it was recorded apart, in the same tree, and is put back in its
 * place. Elements of lists belong together by their place.
 */
export function wholeRequest(request: JsonObject, personal: JsonObject): JsonObject {
  const names = new Set([...Object.keys(request), ...Object.keys(personal)]);
  // Object.fromEntries, because a key named __proto__ is a key here.
  return Object.fromEntries([...names].map((name) => [name, together(own(request, name), own(personal, name))]));
}

function together(value: JsonValue | undefined, personal: JsonValue | undefined): JsonValue {
  if (isObject(value) && isObject(personal)) return wholeRequest(value, personal);
  if (Array.isArray(value) && Array.isArray(personal)) {
    const length = Math.max(value.length, personal.length);
    return Array.from({ length }, (_, index) => together(value[index], personal[index]));
  }
  return personal ?? value ?? null;
}

function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
