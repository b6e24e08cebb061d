import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { streamQuery } from '../../../cqrs/query.ts';
import { toCommandRecord } from '../read-model/command-log.ts';
import { lastPlace } from '../read-model/sealed-records.ts';
import type { AuditQueryContext } from './context.ts';
import { followLog, type Pace } from './follow-log.ts';

const PACE: Pace = { pollMs: 250, heartbeatMs: 10_000 };

/** Sends records in the order of the log, and goes on with new ones as they are sealed. */
export const watchCommands = streamQuery(
  QueryService.method.watchCommands,
  async function* (request, { read, signal }: AuditQueryContext) {
    const after = request.afterSequence ?? BigInt((await read.rows(lastPlace))[0]?.sequence ?? 0);
    for await (const entry of followLog(read, { after, signal, pace: PACE })) {
      if ('record' in entry) yield { event: { case: 'command' as const, value: toCommandRecord(entry.record) } };
      else yield { event: { case: 'caughtUp' as const, value: { sequence: entry.caughtUp } } };
    }
  },
);
