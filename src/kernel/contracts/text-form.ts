import { clone, type DescField, type DescMessage, getOption, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { field as fieldRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { Text, text as textOption } from '#gen/cqrs/v1/text_pb.js';
import type { Message } from '../bus/call.ts';

/** Answers the message with its text in form: itself when it is so already, else a copy, because its sender may still hold it. */
export type TextForm = (message: Message) => Message;

/** Brings one text into its form. */
type Form = (text: string) => string;

/** The text fields of a type, and those that hold messages with text fields. */
interface TextFields {
  readonly own: ReadonlyMap<DescField, Form>;
  readonly within: readonly DescField[];
}

/** A contract asks for a form that a field cannot be brought into. It is a defect of the contract. */
export class TextFormInvalid extends Error {
  constructor(field: DescField, problem: string) {
    super(`${field.parent.typeName}.${field.name} ${problem}`);
    this.name = 'TextFormInvalid';
  }
}

/** How messages of a type are brought into the forms that its contract names (`cqrs.v1.text`); undefined when it names none. */
export function textFormOf(schema: DescMessage): TextForm | undefined {
  const fields = textFieldsOf(schema);
  if (!fields) return undefined;
  const own = [...fields.own].map(([field, form]) => [field.localName, form] as const);
  const isInForm = (message: Message): boolean =>
    own.every(([name, form]) => hasForm((message as unknown as Record<string, unknown>)[name], form));
  const isFlat = fields.within.length === 0 && [...fields.own.keys()].every(({ oneof }) => oneof === undefined);
  return (message) => {
    if (isFlat) return isInForm(message) ? message : flatCopy(message, own);
    const copy = clone(schema, message as never) as Message;
    bringIntoForm(reflect(schema, copy as never));
    return copy;
  };
}

/** By hand: protobuf-es checks every field of a copy, and fails for a lone surrogate, which only a caller in this process can send. */
function flatCopy(message: Message, own: readonly (readonly [name: string, form: Form])[]): Message {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(message)), message);
  for (const [name, form] of own) {
    const value = copy[name];
    if (typeof value === 'string') copy[name] = form(value);
    else if (Array.isArray(value)) copy[name] = value.map(form);
  }
  return copy;
}

function hasForm(value: unknown, form: Form): boolean {
  if (typeof value === 'string') return form(value) === value;
  return !Array.isArray(value) || value.every((item) => form(item) === item);
}

const fieldsByType = new Map<DescMessage, TextFields | undefined>();

function textFieldsOf(schema: DescMessage): TextFields | undefined {
  if (fieldsByType.has(schema)) return fieldsByType.get(schema);
  const own = new Map<DescField, Form>();
  for (const field of schema.fields) {
    const kind = getOption(field, textOption);
    if (kind !== Text.UNSPECIFIED) own.set(field, formOf(field, kind));
  }
  const within = schema.fields.filter(({ message }) => message && holdsText(message, new Set()));
  const fields = own.size + within.length > 0 ? { own, within } : undefined;
  fieldsByType.set(schema, fields);
  return fields;
}

function holdsText(schema: DescMessage, visited: Set<DescMessage>): boolean {
  if (visited.has(schema)) return false;
  visited.add(schema);
  return schema.fields.some(
    (field) => getOption(field, textOption) !== Text.UNSPECIFIED || (field.message && holdsText(field.message, visited)),
  );
}

function bringIntoForm(message: ReflectMessage): void {
  const fields = textFieldsOf(message.desc);
  if (!fields) return;
  for (const [field, form] of fields.own) {
    if (!message.isSet(field)) continue;
    if (field.fieldKind === 'scalar') message.set(field, form(message.get(field) as string));
    else if (field.fieldKind === 'list') {
      const list = message.get(field);
      for (const [index, item] of [...list].entries()) list.set(index, form(item as string));
    }
  }
  for (const field of fields.within) {
    if (!message.isSet(field)) continue;
    if (field.fieldKind === 'message') bringIntoForm(message.get(field));
    else if (field.fieldKind === 'list' && field.listKind === 'message')
      for (const item of message.get(field)) bringIntoForm(item as ReflectMessage);
    else if (field.fieldKind === 'map' && field.mapKind === 'message')
      for (const item of message.get(field).values()) bringIntoForm(item as ReflectMessage);
  }
}

function formOf(field: DescField, kind: Text): Form {
  const isText = (field.fieldKind === 'scalar' || field.fieldKind === 'list') && field.scalar === ScalarType.STRING;
  if (!isText) throw new TextFormInvalid(field, 'is not a string, and has no form of text');
  switch (kind) {
    case Text.EMAIL:
      return (text) => text.trim();
    case Text.TERMS:
      return (text) => text.trim().replace(/\s+/g, ' ');
    case Text.PASSWORD: {
      const longest = longestSent(field);
      return (text) => (isPrintableAscii(text) || text.length > longest ? text : text.toWellFormed().normalize('NFKC'));
    }
    default: {
      const longest = longestSent(field);
      return (text) => {
        const trimmed = text.trim();
        return isPrintableAscii(trimmed) || trimmed.length > longest ? trimmed : trimmed.normalize('NFC');
      };
    }
  }
}

/**
 * A character can be sent as four (UAX 15), of two UTF-16 code units each, so that what is longer than that breaks the rule about its length
 * in any form. It is not normalized: the time that takes grows with the square of a run of marks.
 */
function longestSent(field: DescField): number {
  const { type } = getOption(field, fieldRules);
  const rules = type.case === 'repeated' ? type.value.items?.type : type;
  const maxLen = rules?.case === 'string' ? Number(rules.value.maxLen) : 0;
  if (maxLen === 0) throw new TextFormInvalid(field, 'has a form of text, so it needs a max_len');
  return maxLen * 8;
}

const isPrintableAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);
