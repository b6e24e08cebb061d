import { type DescField, type DescMessage, type DescMethod, getOption, ScalarType } from '@bufbuild/protobuf';
import { type FieldRules, field as fieldRules, type StringRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

/** The largest message of an rpc whose contract names no bound: 4 MiB, the limit that gRPC clients expect. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** The smallest limit: what breaks a rule by a little shall hear which rule it is, and not that it is too large. */
const LEAST_BYTES = 16 * 1024;
/** What one character can take in JSON: two escapes of the form \uXXXX. In UTF-8 it is 4 bytes at most. */
const BYTES_A_CHARACTER = 12;
const BYTES_AN_ESCAPE = 6;
const UUID_CHARACTERS = 36;
/** The longest number in JSON, with quotes, and the longest well-known times. */
const BYTES_A_NUMBER = 34;
/** Quotes, colon and comma around a field. */
const PUNCTUATION = 6;

/**
 * The largest request of an rpc, in bytes, that its contract allows in the binary form or in JSON, rounded up to a power of two from
 * 16 KiB on. It follows from the protovalidate rules on length and number; one field without such a rule leaves the rpc at `most`.
 *
 * A caller could have the server hold that much for every call it begins (OWASP gRPC Security Cheat Sheet, "message size limits").
 */
export function largestRequest(method: DescMethod, most = MAX_MESSAGE_BYTES): number {
  const bytes = Math.max(LEAST_BYTES, bytesOfMessage(method.input, []));
  return bytes > most ? most : Math.min(most, 2 ** Math.ceil(Math.log2(bytes)));
}

function bytesOfMessage(type: DescMessage, within: readonly DescMessage[]): number {
  if (type.typeName === 'google.protobuf.Timestamp' || type.typeName === 'google.protobuf.Duration') return BYTES_A_NUMBER;
  // A message that can hold itself has no largest one.
  if (within.includes(type)) return Number.POSITIVE_INFINITY;
  return sum(type.fields, (field) => field.jsonName.length + PUNCTUATION + bytesOfField(field, [...within, type]));
}

function bytesOfField(field: DescField, within: readonly DescMessage[]): number {
  const rules = getOption(field, fieldRules);
  switch (field.fieldKind) {
    case 'message':
      return bytesOfMessage(field.message, within);
    case 'scalar':
      return bytesOfScalar(field.scalar, rules);
    case 'enum':
      return bytesOfEnum(field);
    case 'list': {
      const { case: kind, value } = rules.type;
      const bounded = kind === 'repeated' ? value : undefined;
      return Number(bounded?.maxItems || Number.POSITIVE_INFINITY) * (1 + bytesOfElement(field, bounded?.items, within));
    }
    case 'map': {
      const { case: kind, value } = rules.type;
      const bounded = kind === 'map' ? value : undefined;
      const key = bytesOfScalar(field.mapKey, bounded?.keys);
      return Number(bounded?.maxPairs || Number.POSITIVE_INFINITY) * (2 + key + bytesOfElement(field, bounded?.values, within));
    }
  }
}

function bytesOfElement(
  field: DescField & { fieldKind: 'list' | 'map' },
  rules: FieldRules | undefined,
  within: readonly DescMessage[],
): number {
  if (field.message) return bytesOfMessage(field.message, within);
  if (field.scalar !== undefined) return bytesOfScalar(field.scalar, rules);
  return bytesOfEnum(field);
}

function bytesOfScalar(scalar: ScalarType, rules: FieldRules | undefined): number {
  if (scalar === ScalarType.STRING) return 2 + bytesOfString(rules?.type.case === 'string' ? rules.type.value : undefined);
  if (scalar !== ScalarType.BYTES) return BYTES_A_NUMBER;
  const bytes = rules?.type.case === 'bytes' ? Number(rules.type.value.len || rules.type.value.maxLen) : 0;
  // In JSON they are base64.
  return 2 + Math.ceil((bytes || Number.POSITIVE_INFINITY) / 3) * 4;
}

function bytesOfString(rules: StringRules | undefined): number {
  const bounds = [
    Number(rules?.len) * BYTES_A_CHARACTER,
    Number(rules?.maxLen) * BYTES_A_CHARACTER,
    Number(rules?.lenBytes) * BYTES_AN_ESCAPE,
    Number(rules?.maxBytes) * BYTES_AN_ESCAPE,
    rules?.wellKnown.case === 'uuid' ? UUID_CHARACTERS * BYTES_AN_ESCAPE : 0,
    Math.max(0, ...(rules?.in ?? []).map((value) => Buffer.byteLength(value) * BYTES_AN_ESCAPE)),
    (rules?.const ?? '').length * BYTES_AN_ESCAPE,
  ];
  // A rule that is absent reads as 0 or NaN.
  return Math.min(...bounds.map((bound) => bound || Number.POSITIVE_INFINITY));
}

function bytesOfEnum({ enum: type }: Pick<DescField, 'enum'>): number {
  return Math.max(BYTES_A_NUMBER, ...(type?.values ?? []).map(({ name }) => name.length + 2));
}

function sum<T>(items: readonly T[], bytesOf: (item: T) => number): number {
  return items.reduce((total, item) => total + bytesOf(item), 0);
}
