import { type DescField, type DescMessage, getOption, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { owner, personal } from '#gen/cqrs/v1/personal_pb.js';
import type { Message } from './call.ts';

/** What stands in a redacted message in the place of a secret, whatever the type of the field. */
export const REDACTED = '[redacted]';

/** A message in the JSON form of protobuf, without its secrets and with what is personal apart. */
export interface RedactedMessage {
  readonly message: JsonObject;
  /** The same tree with the personal fields alone; undefined when none is set. */
  readonly personal: JsonObject | undefined;
}

/**
 * Takes the secrets (`debug_redact`) out of a message and puts what is personal (`cqrs.v1.personal`) apart, so that it can be erased.
 * Throws for a message that has no JSON form, such as one with a time out of range.
 */
export function redact(schema: DescMessage, message: Message): RedactedMessage {
  const json = toJson(schema, message) as JsonObject;
  return splitterOf(schema)?.(json) ?? { message: json, personal: undefined };
}

/** Whether messages of the type can hold a secret, at any depth. */
export function holdsSecrets(schema: DescMessage): boolean {
  return holds(schema, isSecret, new Set());
}

/** Whether messages of the type can hold what is personal, at any depth. */
export function holdsPersonal(schema: DescMessage): boolean {
  return holds(schema, isPersonal, new Set());
}

const secretFields = new Map<DescMessage, readonly string[]>();

/** Whether a secret is set in the message, not looking into the messages in it. */
export function bringsSecret(schema: DescMessage, message: Message): boolean {
  let fields = secretFields.get(schema);
  if (!fields) {
    fields = schema.fields.filter(isSecret).map(({ localName }) => localName);
    secretFields.set(schema, fields);
  }
  const values = message as unknown as Record<string, unknown>;
  return fields.some((name) => values[name] !== undefined && values[name] !== '');
}

/** Empties the secrets of a message in place. */
export function clearSecrets(schema: DescMessage, message: Message): void {
  if (holdsSecrets(schema)) clearFrom(reflect(schema, message as never));
}

function clearFrom(message: ReflectMessage): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (isSecret(field)) message.clear(field);
    else if (field.fieldKind === 'message') clearFrom(message.get(field));
    else if (field.fieldKind === 'list' && field.listKind === 'message')
      for (const item of message.get(field)) clearFrom(item as ReflectMessage);
    else if (field.fieldKind === 'map' && field.mapKind === 'message')
      for (const item of message.get(field).values()) clearFrom(item as ReflectMessage);
  }
}

/** Every text of a message that is secret or personal, at any depth: what must not be written where it is not asked for. */
export function hiddenTexts(schema: DescMessage, message: Message): readonly string[] {
  const texts: string[] = [];
  collectHidden(reflect(schema, message as never), false, texts);
  return texts;
}

function collectHidden(message: ReflectMessage, isHidden: boolean, texts: string[]): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const hides = isHidden || isSecret(field) || isPersonal(field);
    const value: unknown = message.get(field);
    const items =
      field.fieldKind === 'list' || field.fieldKind === 'map'
        ? [...(value as { values(): Iterable<unknown> }).values()]
        : [value];
    for (const item of items) {
      if (typeof item === 'string' && hides) texts.push(item);
      else if (isReflectMessage(item)) collectHidden(item, hides, texts);
    }
  }
}

type Splitter = (json: JsonObject) => RedactedMessage;

/** Null for a type in which nothing is secret or personal: its messages stay as they are. */
const splitters = new Map<DescMessage, Splitter | null>();

function splitterOf(schema: DescMessage): Splitter | null {
  let splitter = splitters.get(schema);
  if (splitter === undefined) {
    const isSpecial = (field: DescField): boolean => isSecret(field) || isPersonal(field);
    splitter = holds(schema, isSpecial, new Set()) ? splitterFor(schema) : null;
    splitters.set(schema, splitter);
  }
  return splitter;
}

function splitterFor(schema: DescMessage): Splitter {
  const fields = new Map(schema.fields.map((field) => [field.jsonName, field]));
  // Looked up once: an option is decoded each time it is asked for.
  const secrets = new Set(schema.fields.filter(isSecret).map(({ jsonName }) => jsonName));
  const personals = new Set(schema.fields.filter(isPersonal).map(({ jsonName }) => jsonName));
  return (json) => {
    const message: JsonObject = {};
    const apart: JsonObject = {};
    for (const [name, value] of Object.entries(json)) {
      if (secrets.has(name)) message[name] = REDACTED;
      else if (personals.has(name)) apart[name] = value;
      else {
        const split = splitValue(fields.get(name), value);
        message[name] = split.value;
        if (split.personal !== undefined) apart[name] = split.personal;
      }
    }
    return { message, personal: Object.keys(apart).length > 0 ? apart : undefined };
  };
}

/** A list of messages has as many places in the part that is personal, so that each goes back to its own. */
function splitValue(field: DescField | undefined, value: JsonValue): { value: JsonValue; personal?: JsonValue } {
  const splitter = field?.message ? splitterOf(field.message) : null;
  if (!splitter || typeof value !== 'object' || value === null) return { value };
  if (!Array.isArray(value) && field?.fieldKind !== 'map') {
    const { message, personal } = splitter(value);
    return { value: message, ...(personal && { personal }) };
  }
  const parts = Object.entries(value).map(([key, item]) => [key, splitter(item as JsonObject)] as const);
  const isPlain = parts.every(([, part]) => part.personal === undefined);
  if (Array.isArray(value)) {
    const messages = parts.map(([, { message }]) => message);
    return { value: messages, ...(!isPlain && { personal: parts.map(([, part]) => part.personal ?? {}) }) };
  }
  const messages = Object.fromEntries(parts.map(([key, { message }]) => [key, message]));
  return { value: messages, ...(!isPlain && { personal: Object.fromEntries(parts.map(([key, p]) => [key, p.personal ?? {}])) }) };
}

function holds(schema: DescMessage, matches: (field: DescField) => boolean, visited: Set<DescMessage>): boolean {
  if (visited.has(schema)) return false;
  visited.add(schema);
  return schema.fields.some((field) => matches(field) || (field.message != null && holds(field.message, matches, visited)));
}

const ownerFields = new Map<DescMessage, readonly string[]>();

/** The names of the people whose personal data the message holds (`cqrs.v1.owner`). */
export function ownersOf(schema: DescMessage, message: Message): readonly string[] {
  let fields = ownerFields.get(schema);
  if (!fields) {
    fields = schema.fields.filter((field) => getOption(field, owner)).map(({ localName }) => localName);
    ownerFields.set(schema, fields);
  }
  const values = fields.map((name) => (message as unknown as Record<string, unknown>)[name]);
  return values.filter((value) => typeof value === 'string' && value !== '') as string[];
}

/** Whether the field holds a secret: `debug_redact`. */
export const isSecret = (field: DescField): boolean => field.proto.options?.debugRedact === true;

/** Whether the field holds what is personal: `cqrs.v1.personal`. */
export const isPersonal = (field: DescField): boolean => getOption(field, personal);
