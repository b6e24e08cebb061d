import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { isPersonal, isSecret, REDACTED } from '../../../kernel/bus/redaction.ts';
import { standInText } from '../../../kernel/bus/rerun.ts';
import { maxLength, rulesOf, standInFor } from './stand-in.ts';

/** A request that can be handled again, in the JSON form of protobuf. */
export interface RebuiltRequest {
  readonly request: JsonObject;
  /** Paths of the fields whose values are not on record. */
  readonly standIns: readonly string[];
  /** Those of them that have no stand-in, because none is known that keeps their rules. */
  readonly without: readonly string[];
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
 * Fills the places of secrets, and of personal data that were erased, with values that are no one's and keep the rules of their fields. Texts
 * differ from command to command where the rules leave room for that. A field whose rules no such value keeps can say one that does in
 * the contract, as an `example` of its rules; without one it is left out, and `without` names it.
 */
export function withStandIns(schema: DescMessage, recorded: JsonObject, gaps: Gaps): RebuiltRequest {
  const standIns: string[] = [];
  const without: string[] = [];
  const texts = new Set<string>();

  function filled(type: DescMessage, json: JsonObject, path: string): JsonObject {
    const result = { ...json };
    for (const field of type.fields) {
      const { name, jsonName } = field;
      const value = Object.hasOwn(json, jsonName) ? json[jsonName] : undefined;
      if (isMissing(field, value)) {
        standIns.push(path + name);
        const standIn = gaps.invalid ? tooLong(field, gaps.commandId) : standInFor(field, gaps.commandId);
        if (standIn === undefined) delete result[jsonName];
        else result[jsonName] = standIn;
        if (standIn !== undefined) noteTexts(standIn);
        else if (!gaps.invalid) without.push(path + name);
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

  function noteTexts(value: JsonValue): void {
    if (typeof value === 'string') texts.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(noteTexts);
  }

  return { request: filled(schema, recorded, ''), standIns, without, texts };
}

function tooLong(field: DescField, commandId: string): string | undefined {
  const rules = rulesOf(field)?.type;
  const longest = rules?.case === 'string' ? maxLength(rules.value) : undefined;
  return longest === undefined ? undefined : standInText(commandId).padEnd(longest + 1, '.');
}
