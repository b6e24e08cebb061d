import type { Registry } from '@bufbuild/protobuf';
import type { EventFilter } from '#gen/events/v1/event_pb.js';
import { EventTypeUnknown } from '../event-type-unknown.ts';

/** Which events a caller wants: those to which everything that is defined applies. */
export interface EventList {
  readonly types?: readonly string[] | undefined;
  readonly aggregateType?: string | undefined;
  readonly aggregateId?: string | undefined;
}

/** Whether it is the whole feed. */
export const isWhole = ({ types, aggregateType, aggregateId }: EventList): boolean =>
  types === undefined && aggregateType === undefined && aggregateId === undefined;

/** Throws EventTypeUnknown: a type that is misspelled would give nothing, for ever. */
export function eventList(filter: EventFilter | undefined, eventTypes: Registry): EventList {
  const types = filter?.types ?? [];
  const unknown = types.filter((type) => !eventTypes.getMessage(type));
  if (unknown.length > 0) throw new EventTypeUnknown(unknown);
  return {
    types: types.length > 0 ? types : undefined,
    aggregateType: filter?.aggregateType || undefined,
    aggregateId: filter?.aggregateId.toLowerCase() || undefined,
  };
}
