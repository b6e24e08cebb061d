import { create, type DescField, type DescMessage, getOption, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { personal } from '#gen/cqrs/v1/personal_pb.js';
import type { AggregateType, EventMessage } from './aggregate-type.ts';

/** What every event of a command has in common. */
export interface EventOrigin {
  readonly commandId: string;
  readonly occurredAt: Date;
  readonly traceparent: string;
  readonly newId: () => string;
}

const APPEND_EVENTS = `insert into cqrs.event
    (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select recorded.id, recorded.type, recorded.payload, recorded.personal, $5, $1, $6, $7, $8, $9
  from unnest($2::uuid[], $3::text[], $4::bytea[], $10::bytea[]) as recorded (id, type, payload, personal)`;

const texts = new WeakMap<object, string>();

/**
 * One statement that stores an aggregate's events and brings its inline read models up to date. Its text is the same for every
 * aggregate of a type, whatever the number of events.
 */
export function eventStatement<A extends object>(
  type: AggregateType<A>,
  aggregate: A,
  origin: EventOrigin,
): { text: string; values: unknown[] } {
  const stored = type.events(aggregate).map(split);
  return {
    text: textFor(type),
    values: [
      type.id(aggregate),
      stored.map(() => origin.newId()),
      stored.map((event) => event.type),
      stored.map((event) => event.payload),
      type.name,
      type.version(aggregate),
      origin.commandId,
      origin.traceparent,
      origin.occurredAt.toISOString(),
      stored.map((event) => event.personal),
    ],
  };
}

function textFor<A extends object>(type: AggregateType<A>): string {
  let text = texts.get(type);
  if (text === undefined) {
    const projections = type.projections.map(({ name, statement }) => `, ${name} as (${statement})`);
    text = `with event as (${APPEND_EVENTS})${projections.join('')} select`;
    texts.set(type, text);
  }
  return text;
}

/** Drops what the stored events of an aggregate hold of personal data. Payload, order and type of the events stay. */
export const ERASE_PERSONAL_DATA = 'update cqrs.event set personal = null where aggregate_id = $1 and personal is not null';

/**
 * An event in two messages of its type, one with its personal fields and one with all others. Their bytes, one after the other,
 * are the whole event: protobuf merges concatenated messages (Encoding, "Last One Wins").
 */
function split({ schema, message }: EventMessage): { type: string; payload: Buffer; personal: Buffer | null } {
  const fields = personalFields(schema);
  if (fields.length === 0) return { type: schema.typeName, payload: bytes(schema, message), personal: null };
  return {
    type: schema.typeName,
    payload: bytes(
      schema,
      pick(schema, message, (field) => !fields.includes(field)),
    ),
    personal: bytes(
      schema,
      pick(schema, message, (field) => fields.includes(field)),
    ),
  };
}

const personalBySchema = new WeakMap<DescMessage, readonly DescField[]>();

function personalFields(schema: DescMessage): readonly DescField[] {
  let fields = personalBySchema.get(schema);
  if (!fields) {
    fields = schema.fields.filter((field) => getOption(field, personal));
    personalBySchema.set(schema, fields);
  }
  return fields;
}

function pick(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  include: (field: DescField) => boolean,
): MessageShape<DescMessage> {
  const values = message as unknown as Record<string, unknown>;
  const kept = schema.fields.filter(include).map((field) => [field.localName, values[field.localName]]);
  return create(schema, Object.fromEntries(kept));
}

function bytes(schema: DescMessage, message: MessageShape<DescMessage>): Buffer {
  const binary = toBinary(schema, message);
  return Buffer.from(binary.buffer, binary.byteOffset, binary.byteLength);
}
