import { type DescEnum, type DescField, type DescMessage, type JsonObject, ScalarType } from '@bufbuild/protobuf';
import { commentOf } from './comments.ts';
import { messageRulesOf, rulesOf } from './field-rules.ts';

/** Where the schema of a type stands in the OpenAPI document. */
export const schemaReference = (typeName: string): JsonObject => ({ $ref: `#/components/schemas/${typeName}` });

/** Types of google.protobuf that have a JSON form of their own (ProtoJSON). */
const WELL_KNOWN: Readonly<Record<string, JsonObject>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: '^-?[0-9]+(\\.[0-9]{1,9})?s$' },
  'google.protobuf.Struct': { type: 'object' },
  'google.protobuf.Value': {},
  'google.protobuf.ListValue': { type: 'array' },
  'google.protobuf.FieldMask': { type: 'string' },
  'google.protobuf.Empty': { type: 'object' },
  'google.protobuf.Any': { type: 'object', properties: { '@type': { type: 'string' } } },
};

/**
 * The schemas of the JSON forms of messages and of all that they hold, by type name. `closed` are those that are refused with a field
 * that the contract does not have: requests.
 */
export function jsonSchemas(messages: readonly DescMessage[], closed: ReadonlySet<DescMessage>): Record<string, JsonObject> {
  const schemas = new Map<string, JsonObject>();
  const visit = (type: DescMessage | DescEnum): void => {
    if (schemas.has(type.typeName) || WELL_KNOWN[type.typeName]) return;
    schemas.set(type.typeName, {});
    if (type.kind === 'enum') {
      schemas.set(type.typeName, enumSchema(type));
      return;
    }
    schemas.set(type.typeName, messageSchema(type, closed.has(type)));
    for (const field of type.fields) {
      const held = field.message ?? field.enum;
      if (held) visit(held);
    }
  };
  for (const message of messages) visit(message);
  return Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function enumSchema(type: DescEnum): JsonObject {
  const values = type.values.filter((value) => commentOf(value)).map((value) => `- \`${value.name}\`: ${commentOf(value)}`);
  return { type: 'string', enum: type.values.map(({ name }) => name), ...described([commentOf(type), values.join('\n')]) };
}

function messageSchema(message: DescMessage, isClosed: boolean): JsonObject {
  const required = message.fields.filter((field) => rulesOf(field).isRequired).map(({ jsonName }) => jsonName);
  const oneofs = message.oneofs.map(
    (oneof) => `At most one of ${oneof.fields.map(({ jsonName }) => `\`${jsonName}\``).join(', ')}.`,
  );
  const rules = messageRulesOf(message).map((rule) => `Rule: ${rule}.`);
  return {
    type: 'object',
    ...described([commentOf(message), ...rules, ...oneofs]),
    properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, fieldSchema(field)])),
    ...(required.length > 0 && { required }),
    ...(isClosed && { additionalProperties: false }),
  };
}

function fieldSchema(field: DescField): JsonObject {
  const { words, schema } = rulesOf(field);
  const rules = words.length > 0 ? `Rules: ${words.join('; ')}.` : '';
  const isSecret = field.proto.options?.debugRedact === true;
  return {
    ...merged(typeSchema(field), schema),
    ...described([commentOf(field), rules]),
    ...(isSecret && { format: 'password' }),
  };
}

function typeSchema(field: DescField): JsonObject {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarSchema(field.scalar);
    case 'message':
    case 'enum':
      return typeReference(field.message ?? field.enum);
    case 'list':
      return {
        type: 'array',
        items: field.listKind === 'scalar' ? scalarSchema(field.scalar) : typeReference(field.message ?? field.enum),
      };
    case 'map':
      return {
        type: 'object',
        additionalProperties:
          field.mapKind === 'scalar' ? scalarSchema(field.scalar) : typeReference(field.message ?? field.enum),
      };
  }
}

function typeReference(type: DescMessage | DescEnum | undefined): JsonObject {
  return type ? (WELL_KNOWN[type.typeName] ?? schemaReference(type.typeName)) : {};
}

/** ProtoJSON: 64-bit integers are strings, bytes are base64. */
function scalarSchema(type: ScalarType): JsonObject {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return { type: 'number' };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', minimum: 0, maximum: 4_294_967_295 };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: 'integer', format: 'int32' };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: 'string', pattern: '^[0-9]+$' };
    default:
      return { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' };
  }
}

/** Rules of the items of a list stand inside of it. */
function merged(type: JsonObject, rules: JsonObject): JsonObject {
  const items = rules.items ? { items: { ...(type.items as JsonObject), ...(rules.items as JsonObject) } } : {};
  return { ...type, ...rules, ...items };
}

const described = (parts: readonly string[]): JsonObject => {
  const description = parts.filter((part) => part !== '').join('\n\n');
  return description === '' ? {} : { description };
};
