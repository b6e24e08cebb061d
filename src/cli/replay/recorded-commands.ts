import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import type { Recorded } from '../../modules/audit/rerun/recorded.ts';
import type { ServiceClient } from '../service-client.ts';
import { isInTime, type Range } from './range.ts';

/** A place in the log that was read; `recorded` is undefined when its record is not in the range of times. */
export interface ReadPlace {
  readonly recorded: Recorded | undefined;
  /** How many places are behind us, and how many there are in all. */
  readonly done: number;
  readonly total: number;
}

/** The sealed records of a range in the order of the log, each with the events of its command. Ends where the log ends now. */
export async function* recordedCommands({ client }: ServiceClient, range: Range): AsyncGenerator<ReadPlace> {
  const queries = client(QueryService);
  const { head } = await queries.getHead({}, { headers: { 'cqrs-consistency': 'strong' } });
  const end = head?.sequence ?? 0n;
  const last = range.lastSequence !== undefined && range.lastSequence < end ? range.lastSequence : end;
  const before = range.firstSequence - 1n;
  if (last <= before) return;

  const total = Number(last - before);
  for await (const { event } of queries.watchCommands({ afterSequence: before })) {
    const place = event.value?.sequence ?? 0n;
    if (event.case === 'command' && place <= last) {
      const command = event.value;
      const isWanted = isInTime(range, command);
      const events =
        isWanted && command.eventIds.length > 0 ? (await queries.getCommand({ commandId: command.commandId })).events : [];
      yield { recorded: isWanted ? { command, events } : undefined, done: Number(place - before), total };
    }
    // Records at the end may have been pruned: then the place is passed without one.
    if (place >= last) return;
  }
}
