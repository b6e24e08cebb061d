import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import { base64Encode } from '@bufbuild/protobuf/wire';
import { field as fieldRules, type StringRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { isPersonal, isSecret, REDACTED } from '../../../kernel/bus/redaction.ts';
import { standInEmail, standInText } from '../../../kernel/bus/rerun.ts';

/** A request that can be handled again, in the JSON form of protobuf. */
export interface RebuiltRequest {
  readonly request: JsonObject;
  /** Paths of the fields that have a stand-in. */
  readonly standIns: readonly string[];
  /** The texts that stand in them. */
  readonly texts: ReadonlySet<string>;
}

/** What is to be filled in. */
export interface Gaps {
  readonly commandId: string;
  /** What was personal is gone. Which of those fields were set is not on record, so all of them are. */
  readonly personalErased: boolean;
  /**
   * The request broke rules of its contract, and which ones is not on record. What is missing breaks them then, because it may have
   * been what did: it is too long or, without a bound on its length, empty.
   */
  readonly invalid: boolean;
}

/**
 * Fills the places of secrets, and of personal data that were erased, with values that are no one's, differ from command to command, and
 * keep the rules of their fields on length, form (e-mail, UUID) and choice. A pattern is not kept.
 */
export function withStandIns(schema: DescMessage, recorded: JsonObject, gaps: Gaps): RebuiltRequest {
  const standIns: string[] = [];
  const texts = new Set<string>();

  function filled(type: DescMessage, json: JsonObject, path: string): JsonObject {
    const result = { ...json };
    for (const field of type.fields) {
      const { name, jsonName } = field;
      const value = Object.hasOwn(json, jsonName) ? json[jsonName] : undefined;
      if (isMissing(field, value)) {
        standIns.push(path + name);
        const standIn = gaps.invalid ? tooLong(field, gaps.commandId) : standInFor(field);
        if (standIn === undefined) delete result[jsonName];
        else result[jsonName] = standIn;
      } else if (field.message && value !== undefined) {
        result[jsonName] = filledValue(field.message, value, path + name);
      }
    }
    return result;
  }

  function filledValue(type: DescMessage, value: JsonValue, path: string): JsonValue {
    if (Array.isArray(value)) return value.map((item, index) => filledValue(type, item, `${path}[${index}]`));
    return typeof value === 'object' && value !== null ? filled(type, value, `${path}.`) : value;
  }

  function isMissing(field: DescField, value: JsonValue | undefined): boolean {
    return isSecret(field) ? value === REDACTED : gaps.personalErased && value === undefined && isPersonal(field);
  }

  function standInFor(field: DescField): JsonValue {
    if (field.fieldKind === 'list') return [];
    if (field.fieldKind === 'message' || field.fieldKind === 'map') return {};
    if (field.fieldKind === 'enum') return field.enum.values.at(-1)?.number ?? 0;
    if (field.scalar === ScalarType.BOOL) return true;
    if (field.scalar !== ScalarType.STRING && field.scalar !== ScalarType.BYTES) return 1;
    const text = textFor(field, gaps.commandId);
    texts.add(text);
    return field.scalar === ScalarType.BYTES ? base64Encode(new TextEncoder().encode(text)) : text;
  }

  return { request: filled(schema, recorded, ''), standIns, texts };
}

function textFor(field: DescField, commandId: string): string {
  const rules = stringRules(field);
  if (!rules) return standInText(commandId);
  if (rules.wellKnown.case === 'email') return standInEmail(commandId);
  if (rules.wellKnown.case === 'uuid') return commandId;
  if (rules.in[0] !== undefined) return rules.in[0];
  const longest = maxLength(rules);
  return standInText(commandId).padEnd(Number(rules.minLen), '.').slice(0, longest);
}

function tooLong(field: DescField, commandId: string): string | undefined {
  const rules = stringRules(field);
  const longest = rules && maxLength(rules);
  return longest === undefined ? undefined : standInText(commandId).padEnd(longest + 1, '.');
}

const maxLength = ({ maxLen }: StringRules): number | undefined => (maxLen > 0n ? Number(maxLen) : undefined);

function stringRules(field: DescField): StringRules | undefined {
  const { type } = hasOption(field, fieldRules) ? getOption(field, fieldRules) : {};
  return type?.case === 'string' ? type.value : undefined;
}
