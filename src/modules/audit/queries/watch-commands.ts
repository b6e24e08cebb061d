import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { streamQuery } from '../../../kernel/bus/query.ts';
import type { AuditQueryContext } from './context.ts';
import { followLog } from './follow-log.ts';

/** How long a stream may be silent, in milliseconds. */
const HEARTBEAT = 10_000;

/** Sends records in the order of the log, and goes on with new ones as they are sealed. */
export const watchCommands = streamQuery(
  QueryService.method.watchCommands,
  async function* ({ afterSequence }, { read, feeds, signal }: AuditQueryContext) {
    const { feed, leave } = feeds.join(read);
    try {
      for await (const entry of followLog(feed, { after: afterSequence, signal, heartbeatMs: HEARTBEAT })) {
        if ('message' in entry) yield entry.message;
        else yield { event: { case: 'caughtUp' as const, value: { sequence: entry.caughtUp } } };
      }
    } finally {
      leave();
    }
  },
);
