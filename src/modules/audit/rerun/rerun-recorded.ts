import { create, fromJson, type JsonObject, type MessageInitShape, type Registry } from '@bufbuild/protobuf';
import { type RecordedEvent, RecordedEventSchema } from '#gen/audit/v1/command_record_pb.js';
import type { ReplayCommandResponseSchema } from '#gen/audit/v1/command_service_pb.js';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import type { Route } from '../../../kernel/bus/bus.ts';
import type { Message } from '../../../kernel/bus/call.ts';
import type { CommandToRerun, Rerun, RerunCommand } from '../../../kernel/command-log/rerun/command-to-rerun.ts';
import { outcomeOf } from '../read-model/command-log.ts';
import { toRecordedEvent } from '../read-model/recorded-event.ts';
import { type Difference, differencesOf } from './differences.ts';
import { type Obstacle, obstacleOf } from './obstacle.ts';
import type { Recorded } from './recorded.ts';
import { withStandIns } from './stand-ins.ts';

/** How a recorded command ends when it is run again, and what differs from its record. */
export type RerunReport = Omit<MessageInitShape<typeof ReplayCommandResponseSchema>, '$typeName' | 'differences'> & {
  readonly same: boolean;
  readonly differences: Difference[];
};

/** What reruns are made with. */
export interface RerunParts {
  /** The rpc with that name. */
  readonly route: (method: string) => Route | undefined;
  readonly rerun: Rerun;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
}

/** Runs a command that is on record again and compares. Rejects as `Rerun` does. */
export async function rerunRecorded(
  recorded: Recorded,
  { route: routeOf, rerun, eventTypes }: RerunParts,
  signal: AbortSignal,
): Promise<RerunReport | { readonly obstacle: Obstacle }> {
  const { command } = recorded;
  const obstacle = obstacleOf(command);
  if (obstacle) return { obstacle };
  const route = routeOf(command.method);
  if (!route?.rerun) return { obstacle: 'METHOD_UNKNOWN' };
  const { commandId, personalErased, reason } = command;
  const gaps = { commandId, personalErased, invalid: reason === Reason[Reason.INVALID_REQUEST] };
  const { request: json, standIns, without, texts } = withStandIns(route.method.input, command.request ?? {}, gaps);
  if (without.length > 0) return { obstacle: personalErased ? 'PERSONAL_ERASED' : 'REASON' };
  const request = messageOf(route, json);
  if (!request) return { obstacle: 'REQUEST_OUTDATED' };

  const again = await rerun(toRerun(recorded, route, request), signal);
  const events = again.events.map((event) => shown(event, eventTypes));
  const differences = differencesOf(recorded, { ...again, events }, { standIns: texts, eventTypes });
  const { outcome, code, state } = again;
  return {
    same: differences.length === 0,
    differences,
    standIns: [...standIns],
    outcome: outcomeOf(outcome),
    code,
    reason: again.reason,
    events,
    ...(state && { state }),
  };
}

function messageOf({ method }: Route, json: JsonObject): Message | undefined {
  try {
    return fromJson(method.input, json);
  } catch {
    return undefined;
  }
}

function toRerun({ command }: Recorded, route: Route, request: Message): CommandToRerun {
  const { commandId, principal, roles, session, issuer, causationId, correlationId } = command;
  const { reason, aggregateId, dryRun, peer, userAgent } = command;
  return {
    route,
    id: commandId,
    request,
    principal: { id: principal, roles, session, ...(issuer !== '' && { issuer }) },
    ...(causationId !== '' && { cause: { eventId: causationId, correlationId } }),
    verdict: { reason, aggregateId },
    dryRun,
    peer,
    userAgent,
  };
}

function shown({ aggregateVersion, ...event }: RerunCommand['events'][number], eventTypes: Registry): RecordedEvent {
  return create(RecordedEventSchema, toRecordedEvent({ ...event, aggregate_version: aggregateVersion }, eventTypes));
}
