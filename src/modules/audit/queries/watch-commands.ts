import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { streamQuery } from '../../../kernel/bus/query.ts';
import { follow } from '../../../kernel/feed/follow.ts';
import type { AuditQueryContext } from './context.ts';

/** How long a stream may be silent, in milliseconds. */
const HEARTBEAT = 10_000;

/** Sends records in the order of the log, and goes on with new ones as they are sealed. */
export const watchCommands = streamQuery(
  QueryService.method.watchCommands,
  async function* ({ afterSequence }, { read, tails, signal }: AuditQueryContext) {
    const { tail, leave } = tails.join(read);
    try {
      for await (const { entry, through } of follow(tail, { after: afterSequence, signal, heartbeatMs: HEARTBEAT })) {
        if (entry) yield entry.message;
        else yield { event: { case: 'caughtUp' as const, value: { sequence: through } } };
      }
    } finally {
      leave();
    }
  },
);
