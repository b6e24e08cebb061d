import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  getOption,
  type JsonObject,
  type Message,
  type MessageShape,
  type Registry,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { personal } from '#gen/cqrs/v1/personal_pb.js';
import type { EventMessage } from './aggregate-type.ts';

/** An event as the columns of cqrs.event hold it. */
export interface StoredEvent {
  readonly type: string;
  readonly payload: Buffer;
  /** Null when messages of the type hold nothing personal. */
  readonly personal: Buffer | null;
}

/**
 * Splits an event into two messages of its type, one with its personal fields and one with all others. Their bytes, one after the
 * other, are the whole event: protobuf merges concatenated messages (Encoding, "Last One Wins").
 */
export function toStoredEvent({ schema, message }: EventMessage): StoredEvent {
  const fields = personalFields(schema);
  if (fields.size === 0) return { type: schema.typeName, payload: bytes(schema, message), personal: null };
  return {
    type: schema.typeName,
    payload: bytes(
      schema,
      pick(schema, message, (field) => !fields.has(field)),
    ),
    personal: bytes(
      schema,
      pick(schema, message, (field) => fields.has(field)),
    ),
  };
}

/** Whether a stored event of this type without a personal part has lost it: personal data are erased by dropping that part. */
export function holdsPersonalData(schema: DescMessage): boolean {
  return personalFields(schema).size > 0;
}

/** A stored event that was read: its type, its message, and the bytes of this. */
export interface ReadEvent {
  readonly schema: DescMessage;
  readonly message: Message;
  readonly bytes: Buffer;
}

/** Reads a stored event, without its personal part where that is null. Undefined when the type is not among `types`, or the bytes are no message of it. */
export function readStoredEvent({ type, payload, personal }: StoredEvent, types: Registry): ReadEvent | undefined {
  const schema = types.getMessage(type);
  if (!schema) return undefined;
  const bytes = personal ? Buffer.concat([payload, personal]) : payload;
  try {
    return { schema, message: fromBinary(schema, bytes), bytes };
  } catch {
    return undefined;
  }
}

/** The event in the JSON form of protobuf; undefined when it has none, such as one that holds a message of an unknown type. */
export function jsonOf({ schema, message }: ReadEvent, types: Registry): JsonObject | undefined {
  try {
    return toJson(schema, message, { registry: types }) as JsonObject;
  } catch {
    return undefined;
  }
}

const personalBySchema = new WeakMap<DescMessage, ReadonlySet<DescField>>();

function personalFields(schema: DescMessage): ReadonlySet<DescField> {
  let fields = personalBySchema.get(schema);
  if (!fields) {
    fields = new Set(schema.fields.filter((field) => getOption(field, personal)));
    personalBySchema.set(schema, fields);
  }
  return fields;
}

function pick(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  include: (field: DescField) => boolean,
): MessageShape<DescMessage> {
  const picked = create(schema) as unknown as Record<string, unknown>;
  const values = message as unknown as Record<string, unknown>;
  for (const field of schema.fields) if (include(field)) picked[field.localName] = values[field.localName];
  return picked as unknown as MessageShape<DescMessage>;
}

function bytes(schema: DescMessage, message: MessageShape<DescMessage>): Buffer {
  const binary = toBinary(schema, message);
  return Buffer.from(binary.buffer, binary.byteOffset, binary.byteLength);
}
