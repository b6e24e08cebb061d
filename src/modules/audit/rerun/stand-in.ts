import {
  type DescField,
  type DescMessage,
  fromJson,
  getOption,
  hasOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import { base64Encode } from '@bufbuild/protobuf/wire';
import type { Validator } from '@bufbuild/protovalidate';
import { type FieldRules, field as fieldRules, type StringRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { standInEmail, standInText } from '../../../kernel/bus/rerun.ts';
import { requestValidator } from '../../../kernel/contracts/request-validator.ts';

/** Messages inside each other, below a field that is filled. */
const DEEPEST = 5;

let validator: Validator | undefined;

/**
 * A value in the JSON form of protobuf that keeps all rules of the field by itself, whatever the rest of its message says. Undefined when
 * none of those that are tried does.
 */
export function standInFor(field: DescField, commandId: string, depth = 0): JsonValue | undefined {
  return candidates(field, commandId, depth).find((value) => keepsRules(field, value));
}

/**
 * The rules themselves are asked, so that a pattern or an expression needs no second form here. With `depth`, those of the field itself are left
 * out, and those of what is in it, such as the elements of a list, are kept.
 */
function keepsRules(field: DescField, value: JsonValue, depth = 0): boolean {
  validator ??= requestValidator();
  try {
    const result = validator.validate(field.parent, fromJson(field.parent, { [field.jsonName]: value }));
    if (result.kind !== 'invalid') return result.kind === 'valid';
    return !result.violations.some(({ field: path }) => {
      const [first] = path;
      return first?.kind === 'field' && first.name === field.name && path.length > depth;
    });
  } catch {
    return false;
  }
}

/** The most telling ones first. */
function candidates(field: DescField, commandId: string, depth: number): readonly JsonValue[] {
  const rules = rulesOf(field);
  switch (field.fieldKind) {
    case 'list':
      return lists(field, commandId, depth);
    case 'map':
      return [{}];
    case 'enum':
      return field.enum.values.map(({ number }) => number).reverse();
    case 'message':
      return [...(WELL_KNOWN[field.message.typeName] ?? []), {}, ...wholeMessages(field.message, commandId, depth)];
    case 'scalar':
      return scalars(field.scalar, rules, commandId);
  }
}

function scalars(scalar: ScalarType, rules: FieldRules | undefined, commandId: string): readonly JsonValue[] {
  if (scalar === ScalarType.BOOL) return [true, false];
  const texts = textsFor(rules, commandId);
  if (scalar === ScalarType.STRING) return texts;
  if (scalar === ScalarType.BYTES) return texts.map((text) => base64Encode(new TextEncoder().encode(text)));
  return numbers(rules);
}

type OfList = DescField & { readonly fieldKind: 'list' };

/** Without elements, or with as many as the rules ask for. */
function lists(field: OfList, commandId: string, depth: number): readonly JsonValue[] {
  const rules = rulesOf(field);
  const { minItems = 0n, items } = rules?.type.case === 'repeated' ? rules.type.value : {};
  const size = Math.max(1, Number(minItems));
  const [first, ...others] = elements(field, items, commandId, depth).filter((value) => keepsRules(field, [value], 1));
  if (first === undefined) return [[]];
  // The same again where others are not wanted, and others where the same is not.
  return [[], Array.from({ length: size }, () => first), [first, ...others].slice(0, size)];
}

function elements(field: OfList, rules: FieldRules | undefined, commandId: string, depth: number): readonly JsonValue[] {
  if (field.listKind === 'message') return wholeMessages(field.message, commandId, depth);
  if (field.listKind === 'enum') return field.enum.values.map(({ number }) => number).reverse();
  return scalars(field.scalar, rules, commandId);
}

/** With a stand-in in each field that can have one. */
function wholeMessages(type: DescMessage, commandId: string, depth: number): readonly JsonObject[] {
  if (depth >= DEEPEST) return [];
  const values = type.fields.flatMap((field) => {
    const value = standInFor(field, commandId, depth + 1);
    return value === undefined ? [] : [[field.jsonName, value] as const];
  });
  return [Object.fromEntries(values)];
}

/** Messages that have a JSON form of their own. */
const WELL_KNOWN: Readonly<Record<string, readonly JsonValue[]>> = {
  'google.protobuf.Timestamp': ['2000-01-01T00:00:00Z', '2100-01-01T00:00:00Z'],
  'google.protobuf.Duration': ['1s', '0s', '3600s', '-1s'],
  'google.protobuf.FieldMask': [''],
  'google.protobuf.Value': [null],
  'google.protobuf.ListValue': [[]],
  'google.protobuf.BoolValue': [true, false],
  'google.protobuf.StringValue': ['stand-in'],
};

function textsFor(rules: FieldRules | undefined, commandId: string): readonly string[] {
  const own = standInText(commandId);
  const type = rules?.type;
  if (type?.case !== 'string' && type?.case !== 'bytes') return [own];
  const { minLen, len, maxLen, example } = type.value;
  const sized = own.padEnd(Math.max(Number(minLen), Number(len)), '.').slice(0, Number(len) || Number(maxLen) || undefined);
  const given: readonly (string | Uint8Array)[] = type.case === 'string' ? [...type.value.in, ...type.value.example] : example;
  const listed = given.map((text) => (typeof text === 'string' ? text : new TextDecoder().decode(text)));
  return [sized, standInEmail(commandId), commandId, ...listed, ...COMMON];
}

/** What patterns mostly ask for: words, codes of languages and countries, digits, dates, addresses. */
const COMMON = [
  ...['stand-in', 'standin', 'STANDIN', 'Standin', 'a', 'A', 'aa', 'AA', 'aaa', 'AAA', 'en', 'en-GB', 'en_GB', 'GB', 'GBP'],
  ...['0', '1', '00', '000', '0000', '00000', '000000', '00000000', '+10000000000', '10000000000', '#000000', '1.0.0'],
  ...['2000-01-01', '00:00', '2000-01-01T00:00:00Z', 'P1D', 'UTC', 'Europe/London'],
  ...['stand-in.invalid', 'https://stand-in.invalid/', '192.0.2.1', '2001:db8::1', '192.0.2.0/24', ''],
];

/** The bounds, and what lies beside them. */
function numbers(rules: FieldRules | undefined): readonly (number | string)[] {
  const stated = Object.values(rules?.type.value ?? {}).flatMap((value: unknown) =>
    [value].flat().map((one) => (isOneof(one) ? one.value : one)),
  );
  const near = stated.flatMap((value): (number | string)[] => {
    if (typeof value === 'bigint') return [value, value + 1n, value - 1n].map(String);
    return typeof value === 'number' ? [value, value + 1, value - 1, value + 0.5, value - 0.5] : [];
  });
  return [1, 0, -1, ...near];
}

const isOneof = (value: unknown): value is { readonly value: unknown } =>
  typeof value === 'object' && value !== null && 'case' in value && 'value' in value;

export const maxLength = ({ maxLen }: StringRules): number | undefined => (maxLen > 0n ? Number(maxLen) : undefined);

export function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
}
