import { create, type DescField, type DescMessage, type DescOneof, isMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema, timestampDate } from '@bufbuild/protobuf/wkt';
import type { PlainEvent } from './outcome.ts';

/** A message in plain values: objects without a type, times as dates, every field that has a value or a default. */
export function plain(schema: DescMessage, message: MessageShape<DescMessage>): Record<string, unknown> {
  const values = message as unknown as Record<string, unknown>;
  const members = schema.members.map((member) => [member.localName, plainMember(member, values[member.localName])] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

/** A recorded event in plain values, under the short name of its type. */
export function plainEvent(schema: DescMessage, message: MessageShape<DescMessage>): PlainEvent {
  return { type: schema.name, ...plain(schema, message) };
}

/**
 * The plain form of an event that a test expects at the place of one of this type. Fields that the test leaves out have their defaults;
 * those that the type does not have stay, so that the difference shows them.
 */
export function expectedEvent(expected: PlainEvent, schema: DescMessage | undefined): PlainEvent {
  const { type, ...fields } = expected;
  if (!schema || (type !== schema.name && type !== schema.typeName)) return expected;
  return { type: schema.name, ...plain(schema, create(schema)), ...fields };
}

function plainMember(member: DescField | DescOneof, value: unknown): unknown {
  if (member.kind === 'oneof') {
    const chosen = value as { case: string | undefined; value?: unknown };
    const field = member.fields.find(({ localName }) => localName === chosen.case);
    return field ? { case: chosen.case, value: plainValue(field.message, chosen.value) } : undefined;
  }
  if (member.fieldKind === 'list') return (value as unknown[]).map((item) => plainValue(member.message, item));
  if (member.fieldKind === 'map') {
    const entries = Object.entries(value as Record<string, unknown>);
    return Object.fromEntries(entries.map(([key, item]) => [key, plainValue(member.message, item)]));
  }
  return plainValue(member.message, value);
}

function plainValue(schema: DescMessage | undefined, value: unknown): unknown {
  // Wrappers and Struct have plain values already.
  if (!schema || !isMessage(value, schema)) return value;
  return schema.typeName === TimestampSchema.typeName ? timestampDate(value as Timestamp) : plain(schema, value);
}
