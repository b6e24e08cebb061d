import type { IncomingHttpHeaders } from 'node:http';
import { parseGrpcTimeout } from '../grpc-timeout.ts';

/** The longest delay that setTimeout keeps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Takes out timeouts over 24 days, on which Connect's own timer would go off at once. Malformed ones stay and are refused. */
export function boundTimeouts(headers: IncomingHttpHeaders): void {
  if (Number(headers['connect-timeout-ms']) > LONGEST_TIMER_MS) delete headers['connect-timeout-ms'];
  const { 'grpc-timeout': grpc } = headers;
  if (typeof grpc === 'string' && (parseGrpcTimeout(grpc) ?? 0) > LONGEST_TIMER_MS) delete headers['grpc-timeout'];
}
