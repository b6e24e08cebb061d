import { create, type DescField, type DescMessage, ScalarType, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';

/** Values that a field often holds in a valid request; undefined: nothing is known of the field. */
export type Likely = (field: DescField) => fc.Arbitrary<unknown> | undefined;

/** A message as `create` takes it. */
export type Init = Readonly<Record<string, unknown>>;

/** Requests of any type: a third is likely to be valid, the others are wrong in some fields or in all. */
export function messageOf(type: DescMessage, likely: Likely): fc.Arbitrary<Init> {
  return fc.oneof(
    { weight: 2, arbitrary: likelyMessageOf(type, likely) },
    { weight: 3, arbitrary: fieldsOf(type, likely, { likely: 9, hostile: 2, absent: 1 }) },
    { weight: 1, arbitrary: fieldsOf(type, likely, { likely: 1, hostile: 4, absent: 2 }) },
  );
}

/** Requests in which every field of which something is known has such a value. */
export function likelyMessageOf(type: DescMessage, likely: Likely): fc.Arbitrary<Init> {
  return fieldsOf(type, likely, { likely: 1, hostile: 0, absent: 0 });
}

interface Weights {
  readonly likely: number;
  readonly hostile: number;
  readonly absent: number;
}

function fieldsOf(type: DescMessage, likely: Likely, weights: Weights): fc.Arbitrary<Init> {
  const alone = type.fields.filter((field) => !field.oneof);
  const singles = Object.fromEntries(alone.map((field) => [field.localName, fieldOf(field, likely, weights)]));
  const oneofs = Object.fromEntries(
    type.oneofs.map(({ localName, fields }) => {
      const cases = fields.map((field) => fieldOf(field, likely, weights).map((value) => ({ case: field.localName, value })));
      return [localName, fc.oneof(...cases)];
    }),
  );
  return fc.record({ ...singles, ...oneofs }).map((init) => {
    const set = Object.entries(init).filter(([, value]) => value !== undefined);
    return Object.fromEntries(set);
  });
}

function fieldOf(field: DescField, likely: Likely, weights: Weights): fc.Arbitrary<unknown> {
  const known = likely(field);
  const hostile = hostileValue(field, likely);
  return fc.oneof(
    { weight: weights.likely, arbitrary: known ?? hostile },
    { weight: weights.hostile, arbitrary: hostile },
    { weight: weights.absent, arbitrary: fc.constant(undefined) },
  );
}

function hostileValue(field: DescField, likely: Likely): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case 'scalar':
      return hostileScalar(field.scalar);
    case 'enum':
      return fc.oneof(fc.constantFrom(...field.enum.values.map(({ number }) => number)), INT32);
    case 'message':
      return messageOf(field.message, likely);
    case 'list':
      if (field.listKind === 'message') return fc.array(messageOf(field.message, likely), { maxLength: 3 });
      return fc.array(field.listKind === 'enum' ? INT32 : hostileScalar(field.scalar), { maxLength: 50 });
    case 'map':
      return fc.constant({});
  }
}

const INT32 = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const UINT32 = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const INT64 = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const UINT64 = fc.oneof(fc.constantFrom(0n, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));

function hostileScalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return HOSTILE_TEXT;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 100 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return INT64;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return UINT64;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return UINT32;
    default:
      return INT32;
  }
}

/** UTF-16 code units in any order: surrogates without their other half among them. */
const CODE_UNITS = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units));

/** Text of every kind that some layer may read as more than text. */
const HOSTILE_TEXT = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  CODE_UNITS,
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'nul\0inside',
    '\ud800',
    '\udfff half a pair',
    '\ufeff',
    '\u202egnp.exe',
    'İstanbul ẞ ﬃ',
    'a\r\nset-cookie: a=b',
    '\'; drop table users."user"; --',
    '%_\\',
    '$1 {{7*7}} %s%n <b>',
    '../../../etc/passwd',
    '__proto__',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '{01890a5d-ac96-774b-bcce-b302099a8057}',
    'NaN',
    'null',
    '1e309',
    'a@b',
    '"quoted \\" local"@example.org',
    'user@[127.0.0.1]',
  ),
  fc
    .tuple(fc.constantFrom('x', '@', 'é', '🧨', 'ﷺ', '\u0301', '\0', '\udc00'), fc.integer({ min: 100, max: 20_000 }))
    .map(([unit, times]) => unit.repeat(times)),
);

/** The bytes of a message. */
export const encoded = (type: DescMessage, init: Init): Uint8Array => toBinary(type, create(type, init));

/** A message as JSON, keys as in the contract or in lowerCamelCase, some values of a wrong type, some fields that do not exist. */
export function jsonOf(type: DescMessage, likely: Likely): fc.Arbitrary<string> {
  const anything = fc.jsonValue({ maxDepth: 3 });
  const wrong = fc.record(Object.fromEntries(type.fields.map((field) => [field.jsonName, anything])), { requiredKeys: [] });
  const extra = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'userID', '@type')), anything, {
    maxKeys: 1,
  });
  const mostlyNothing = <T extends object>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | object> =>
    fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary });
  return fc
    .tuple(messageOf(type, likely), mostlyNothing(wrong), mostlyNothing(extra), fc.boolean())
    .map(([init, ...[wrongValues, extraValues, asInContract]]) => {
      const named = asInContract
        ? Object.fromEntries(type.fields.flatMap(({ localName, name }) => (localName in init ? [[name, init[localName]]] : [])))
        : init;
      return JSON.stringify({ ...named, ...wrongValues, ...extraValues }, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      );
    });
}

/** The same bytes, one time in three with a few of them changed, cut out, doubled or replaced by nonsense. */
export function sometimesBroken(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    how: fc.constantFrom('flip', 'cut', 'insert', 'double'),
    at: fc.nat(),
    by: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  });
  const edits = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(edit, { minLength: 1, maxLength: 4 }) },
  );
  return fc.tuple(bytes, edits).map(([whole, changes]) => {
    let changed = whole;
    for (const { how, at, by } of changes) {
      const place = at % (changed.length + 1);
      const [before, after] = [changed.subarray(0, place), changed.subarray(place)];
      if (how === 'cut') changed = before;
      else if (how === 'insert') changed = Buffer.concat([before, by, after]);
      else if (how === 'double') changed = Buffer.concat([changed, after]);
      else changed = Buffer.concat([before, by, after.subarray(by.length)]);
    }
    return changed;
  });
}
