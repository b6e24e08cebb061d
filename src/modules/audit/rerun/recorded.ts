import type { CommandRecord, RecordedEvent } from '#gen/audit/v1/command_record_pb.js';

/** A command as GetCommand answers it. */
export interface Recorded {
  readonly command: CommandRecord;
  readonly events: readonly RecordedEvent[];
}
