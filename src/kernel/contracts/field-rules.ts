import {
  type DescExtension,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type JsonObject,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import {
  FieldRulesSchema,
  field as fieldRules,
  Ignore,
  message as messageRules,
  predefined,
  type Rule,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { commentOf } from './comments.ts';
import { contractDescriptors } from './descriptors.ts';

/** What protovalidate checks of a field, for people and for programs. */
export interface FieldRules {
  /** E.g. `1 to 200 characters`. */
  readonly words: readonly string[];
  /** The part of the rules that JSON Schema can say. */
  readonly schema: JsonObject;
  /** A request without the field is refused. */
  readonly isRequired: boolean;
}

/** The rules of a field, from its contract. What is not known here is told by its name, so that no rule gets lost. */
export function rulesOf(field: DescField): FieldRules {
  if (!hasOption(field, fieldRules)) return { words: [], schema: {}, isRequired: false };
  const rules = getOption(field, fieldRules);
  const json = toJson(FieldRulesSchema, rules, { registry: contractDescriptors() }) as JsonObject;
  const told = tell(json);
  const isImplicit = field.presence === FeatureSet_FieldPresence.IMPLICIT && rules.ignore !== Ignore.IF_ZERO_VALUE;
  return { ...told, isRequired: rules.required || (isImplicit && refusesEmpty(field, told.schema)) };
}

/** The rules that are about several fields of a message, in words. */
export function messageRulesOf(message: DescMessage): readonly string[] {
  if (!hasOption(message, messageRules)) return [];
  const { cel, celExpression, oneof } = getOption(message, messageRules);
  return [
    ...cel.map(wordsOf),
    ...celExpression.map((expression) => `\`${expression}\``),
    ...oneof.map(
      ({ fields, required }) => `${required ? 'exactly' : 'at most'} one of ${fields.map((name) => `\`${name}\``).join(', ')}`,
    ),
  ];
}

type Told = Pick<FieldRules, 'words' | 'schema'>;
type Teller = (value: JsonValue) => Told;

const wordsOf = ({ message, expression }: Pick<Rule, 'message' | 'expression'>): string => message || `\`${expression}\``;

/** Rules in the JSON form of protovalidate's own messages, e.g. `{"string": {"minLen": "1"}}`. */
function tell(json: JsonObject): Told {
  const all: Told[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === 'ignore') continue;
    if (name === 'required') all.push({ words: ['required'], schema: {} });
    else if (name === 'cel') all.push({ words: (value as JsonObject[]).map((rule) => wordsOf(rule as never)), schema: {} });
    else if (name === 'repeated' || name === 'map') all.push(tellCollection(name, value as JsonObject));
    else for (const [rule, set] of Object.entries(value as JsonObject)) all.push(tellRule(name, rule, set));
  }
  if (json.ignore === 'IGNORE_IF_ZERO_VALUE') all.push({ words: ['or empty'], schema: {} });
  return { words: joined(all.flatMap(({ words }) => words)), schema: Object.assign({}, ...all.map(({ schema }) => schema)) };
}

function tellRule(kind: string, rule: string, value: JsonValue): Told {
  const extension = /^\[(.*)\]$/.exec(rule)?.[1];
  if (extension) return tellPredefined(contractDescriptors().getExtension(extension), value);
  const teller = TELLERS[kind]?.[rule] ?? NUMBERS[rule];
  return teller?.(value) ?? { words: [`${rule}: ${JSON.stringify(value)}`], schema: {} };
}

/** A rule of our own: its comment, or the messages of its expressions. */
function tellPredefined(extension: DescExtension | undefined, value: JsonValue): Told {
  if (!extension || value === false) return { words: [], schema: {} };
  const comment = commentOf(extension).replaceAll(/\s+/g, ' ');
  const messages = getOption(extension, predefined).cel.map(wordsOf);
  return { words: comment ? [firstLower(comment.replace(/\.$/, ''))] : messages, schema: {} };
}

function tellCollection(kind: 'repeated' | 'map', rules: JsonObject): Told {
  const all: Told[] = [];
  for (const [rule, value] of Object.entries(rules)) {
    if (rule === 'items' || rule === 'values' || rule === 'keys') {
      const { words, schema } = tell(value as JsonObject);
      const place = { items: 'items', values: 'additionalProperties', keys: 'propertyNames' }[rule];
      all.push({ words: words.map((word) => `${rule === 'items' ? 'each' : rule}: ${word}`), schema: { [place]: schema } });
    } else all.push(tellRule(kind, rule, value));
  }
  return { words: all.flatMap(({ words }) => words), schema: Object.assign({}, ...all.map(({ schema }) => schema)) };
}

const plain =
  (words: string, schema: JsonObject = {}): Teller =>
  (value) =>
    value === false ? { words: [], schema: {} } : { words: [words], schema };
const number = (value: JsonValue): number => Number(value);
const quoted = (value: JsonValue): string => (value === '' ? 'empty' : `\`${String(value)}\``);
const list = (value: JsonValue): string => (value as JsonValue[]).map(quoted).join(', ');

const LENGTHS = (unit: string, schema: boolean): Record<string, Teller> => ({
  len: (n) => ({ words: [`exactly ${n} ${unit}`], schema: schema ? { minLength: number(n), maxLength: number(n) } : {} }),
  minLen: (n) => ({ words: [`at least ${n} ${unit}`], schema: schema ? { minLength: number(n) } : {} }),
  maxLen: (n) => ({ words: [`at most ${n} ${unit}`], schema: schema ? { maxLength: number(n) } : {} }),
});
const CHOICES: Record<string, Teller> = {
  const: (value) => ({ words: [`exactly ${quoted(value)}`], schema: { const: value } }),
  in: (value) => ({ words: [`one of ${list(value)}`], schema: { enum: value } }),
  notIn: (value) => ({ words: [`none of ${list(value)}`], schema: { not: { enum: value } } }),
};

/** Bounds of 64-bit integers are strings in JSON, and JSON Schema bounds numbers alone: those stay words. */
const bound =
  (words: string, keyword: string): Teller =>
  (value) =>
    typeof value === 'number'
      ? { words: [`${words} ${value}`], schema: { [keyword]: value } }
      : { words: [`${words} ${String(value)}`], schema: {} };
const NUMBERS: Record<string, Teller> = {
  ...CHOICES,
  gt: bound('more than', 'exclusiveMinimum'),
  gte: bound('at least', 'minimum'),
  lt: bound('less than', 'exclusiveMaximum'),
  lte: bound('at most', 'maximum'),
  finite: plain('a finite number'),
};

const TELLERS: Record<string, Record<string, Teller>> = {
  string: {
    ...CHOICES,
    ...LENGTHS('characters', true),
    lenBytes: (n) => ({ words: [`exactly ${n} bytes of UTF-8`], schema: {} }),
    minBytes: (n) => ({ words: [`at least ${n} bytes of UTF-8`], schema: {} }),
    maxBytes: (n) => ({ words: [`at most ${n} bytes of UTF-8`], schema: { maxLength: number(n) } }),
    pattern: (value) => ({ words: [`matches \`${value}\``], schema: { pattern: value } }),
    prefix: (value) => ({ words: [`begins with ${quoted(value)}`], schema: {} }),
    suffix: (value) => ({ words: [`ends with ${quoted(value)}`], schema: {} }),
    contains: (value) => ({ words: [`contains ${quoted(value)}`], schema: {} }),
    notContains: (value) => ({ words: [`does not contain ${quoted(value)}`], schema: {} }),
    email: plain('an e-mail address', { format: 'email' }),
    uuid: plain('a UUID', { format: 'uuid' }),
    uri: plain('a URI', { format: 'uri' }),
    hostname: plain('a host name', { format: 'hostname' }),
    ipv4: plain('an IPv4 address', { format: 'ipv4' }),
    ipv6: plain('an IPv6 address', { format: 'ipv6' }),
    ip: plain('an IP address'),
  },
  bytes: { ...LENGTHS('bytes', false) },
  enum: {
    definedOnly: plain('a value of the enum'),
    const: (value) => ({ words: [`exactly ${value}`], schema: {} }),
    in: (value) => ({ words: [`one of the numbers ${list(value)}`], schema: {} }),
    notIn: (value) => ({ words: [`none of the numbers ${list(value)}`], schema: {} }),
  },
  repeated: {
    minItems: (n) => ({ words: [`at least ${n}`], schema: { minItems: number(n) } }),
    maxItems: (n) => ({ words: [`at most ${n}`], schema: { maxItems: number(n) } }),
    unique: plain('no two alike', { uniqueItems: true }),
  },
  map: {
    minPairs: (n) => ({ words: [`at least ${n}`], schema: { minProperties: number(n) } }),
    maxPairs: (n) => ({ words: [`at most ${n}`], schema: { maxProperties: number(n) } }),
  },
  timestamp: { gte: moment('not before'), gt: moment('after'), lte: moment('not after'), lt: moment('before') },
};

function moment(words: string): Teller {
  return (value) => ({ words: [`${words} ${value}`], schema: {} });
}

/** `at least 1 characters` and `at most 200 characters` are `1 to 200 characters`. */
function joined(words: readonly string[]): readonly string[] {
  const least = words.find((word) => word.startsWith('at least '));
  const most = words.find((word) => word.startsWith('at most '));
  if (!least || !most) return words.map(singular);
  const [, , from = '', ...unit] = least.split(' ');
  const [, , to = '', ...sameUnit] = most.split(' ');
  if (unit.join() !== sameUnit.join()) return words.map(singular);
  return [[from, 'to', to, ...unit].join(' '), ...words.filter((word) => word !== least && word !== most)];
}

const singular = (words: string): string => words.replace(/^(at least|at most|exactly) 1 (\w+)s\b/, '$1 1 $2');
const firstLower = (text: string): string => (/^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text);

function refusesEmpty(field: DescField, { minLength, format, pattern, enum: values }: JsonObject): boolean {
  if (field.fieldKind !== 'scalar') return false;
  if (typeof minLength === 'number' && minLength > 0) return true;
  if (typeof format === 'string') return true;
  if (Array.isArray(values)) return !values.includes('');
  return typeof pattern === 'string' && !new RegExp(pattern, 'u').test('');
}
