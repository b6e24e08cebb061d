import type { ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import type { Refusal } from '../outcome.ts';

/** How a call was refused, as its error says on the wire; undefined for one that is no refusal: it has no reason, or is unexpected. */
export function refusalOf(error: ConnectError): Refusal | undefined {
  const [info] = error.findDetails(ErrorInfoSchema);
  if (!info || info.reason === 'INTERNAL') return undefined;
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  return {
    reason: info.reason,
    message: error.rawMessage,
    metadata: info.metadata,
    fields: [...new Set(violations.map(({ field }) => field))],
  };
}
