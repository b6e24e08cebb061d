import { fromJson, type JsonObject, type JsonValue, type MessageInitShape, type Registry } from '@bufbuild/protobuf';
import { Outcome, type RecordedEvent } from '#gen/audit/v1/command_record_pb.js';
import type { DifferenceSchema } from '#gen/audit/v1/command_service_pb.js';
import { redact } from '../../../kernel/bus/redaction.ts';
import type { RerunCommand } from '../../../kernel/command-log/rerun/command-to-rerun.ts';
import { outcomeName } from '../read-model/command-log.ts';
import type { Recorded } from './recorded.ts';

export type Difference = Omit<MessageInitShape<typeof DifferenceSchema>, '$typeName'>;

/** A command that was run again, with its events as they are shown. */
export type Rerun = Pick<RerunCommand, 'outcome' | 'reason' | 'target'> & { readonly events: readonly RecordedEvent[] };

/**
 * Where a rerun went another way than the record, aspect by aspect. What came from a stand-in, and what was erased since, is not
 * compared; passwords are in no event.
 */
export function differencesOf(
  { command, events }: Recorded,
  rerun: Rerun,
  { standIns, eventTypes }: { standIns: ReadonlySet<string>; eventTypes: Registry },
): Difference[] {
  const { target } = rerun;
  const aspects: [string, string, string][] = [
    ['outcome', outcomeName(command.outcome) ?? Outcome[command.outcome] ?? '', rerun.outcome],
    ['reason', command.reason, rerun.reason],
    ['aggregate', named(command.aggregateType, command.aggregateId), named(target?.aggregateType, target?.aggregateId)],
    ['version', versions(command.versionBefore, command.versionAfter), versions(target?.versionBefore, target?.versionAfter)],
    // The events of a dry run were not kept.
    ...(command.dryRun ? [] : eventPairs(events, rerun.events)),
  ];
  return aspects.flatMap(([aspect, recorded, now]) => (recorded === now ? [] : [{ aspect, recorded, replayed: now }]));

  function eventPairs(before: readonly RecordedEvent[], now: readonly RecordedEvent[]): [string, string, string][] {
    return Array.from({ length: Math.max(before.length, now.length) }, (_, place) => {
      const [recorded, again] = [before[place], now[place]];
      const payload = again?.payload && comparable(again.payload, recorded);
      return ['events', told(recorded, recorded?.payload), told(again, payload)];
    });
  }

  /** The payload of an event of this time, as far as that of the recorded one can be known. */
  function comparable(payload: JsonObject, recorded: RecordedEvent | undefined): JsonObject {
    const known = recorded?.personalErased ? withoutPersonal(recorded.type, payload) : payload;
    return withRecorded(known, recorded?.payload) as JsonObject;
  }

  function withoutPersonal(type: string, payload: JsonObject): JsonObject {
    const schema = eventTypes.getMessage(type);
    return schema ? redact(schema, fromJson(schema, payload)).message : payload;
  }

  /** With what was recorded in the place of what came from a stand-in. */
  function withRecorded(value: JsonValue, recorded: JsonValue | undefined): JsonValue {
    if (typeof value === 'string') return standIns.has(value) && recorded !== undefined ? recorded : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      const others = Array.isArray(recorded) ? recorded : [];
      return value.map((item, index) => withRecorded(item, others[index]));
    }
    const others = isObject(recorded) ? recorded : {};
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withRecorded(item, others[name])]));
  }
}

function told(event: RecordedEvent | undefined, payload: JsonObject | undefined): string {
  return event ? `${event.type} ${payload ? canonical(payload) : '?'} ${event.eventId}` : '';
}

/** JSON with its keys in order: the recorded one may come from a Struct, which has none. */
function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_, part: JsonValue) =>
    isObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

const named = (type: string | undefined, id: string | undefined): string => (type && id ? `${type}/${id}` : '');

function versions(before: bigint | number | undefined, after: bigint | number | undefined): string {
  if (before === undefined && after === undefined) return '';
  return `${before ?? 'none'} → ${after ?? 'unchanged'}`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
