import type { Code } from '@connectrpc/connect';
import { type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { UnexpectedErrors } from '../../middleware/errors.ts';
import type { MessageLimits } from '../message-limits.ts';
import { refusal } from '../refusal.ts';
import { STATUS_DETAILS, toStatus } from './status.ts';

type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

/** The texts by which grpc-js calls the caller's bytes INTERNAL, and a truncated message UNIMPLEMENTED. */
const MALFORMED = /^(Failed to decompress|Error deserializing|Received no request message|Received a second request message)/;
/** Codes under which grpc-js itself ends a call; any other is an answer of a handler of its own services. */
const LIBRARY_CODES: ReadonlySet<status> = new Set([
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
  status.UNIMPLEMENTED,
  status.UNKNOWN,
]);

/**
 * Gives the statuses that grpc-js makes on its own (message too large, broken compression) the code and the details they have at
 * every door.
 */
export function typedLibraryErrors(options: { messageLimits: MessageLimits; unexpected: UnexpectedErrors }): ServerInterceptor {
  const { messageLimits, unexpected } = options;
  return ({ path }, call) => {
    // What the innermost call sends by itself passes no responder of an interceptor, only its own method.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (sent) => send(isOwn(sent) ? typed(sent, { maxMessageBytes: messageLimits.of(path), unexpected }) : sent);
    return call as ReturnType<ServerInterceptor>;
  };
}

function isOwn({ code, metadata }: Status): boolean {
  return LIBRARY_CODES.has(code) && !metadata?.get(STATUS_DETAILS).length;
}

function typed({ code, details }: Status, options: { maxMessageBytes: number; unexpected: UnexpectedErrors }): Status {
  const error = { code: code as number as Code, message: details };
  return toStatus(refusal(error, { ...options, malformed: MALFORMED.test(details) }));
}
